"""Where the API of analytics is wired together."""

from analytics.activity_definitions import api as definitions
from analytics.customer_value import api as value
from analytics.graphql import schema
from analytics.health.evaluation import api as health_trials
from analytics.health.evaluation import distribution_api as health_distribution
from analytics.health.explain import api as health
from analytics.health.model import api as health_models
from analytics.health.scores import api as health_scores
from analytics.jobs import api as health_jobs
from analytics.metrics import cohorts_api as cohorts
from analytics.metrics.rest import MetricsQuery, router
from analytics.playbooks import api as playbooks
from analytics.reconciliation import api as reconciliation
from analytics.resources import HEALTH_MODELS, PLAYBOOKS, PULSES, READINGS, SIGNALS
from kith.api import Api

API = Api(
    schema,
    resources=(HEALTH_MODELS, SIGNALS, READINGS, PULSES, PLAYBOOKS),
    routers=[
        router,
        cohorts.router,
        definitions.router,
        health.router,
        health_distribution.router,
        health_jobs.router,
        health_models.router,
        health_scores.router,
        health_trials.router,
        playbooks.router,
        reconciliation.router,
        value.router,
    ],
    models=[
        MetricsQuery,
        health_distribution.DistributionAsked,
        health_trials.WhatIf,
        health_trials.WhatIfDocument,
        health_trials.Backtest,
        health_trials.BacktestDocument,
        playbooks.DryRun,
        playbooks.DryRunDocument,
        value.FitModels,
    ],
    tags={
        "analytics": "Figures: metrics, cohorts and members, the timeline, and how far each is counted.",
        "customer value": "What customers are worth: predicted by a fit of the tenant's own purchases.",
        "health": "How relationships stand: scores, what changes next, and models tried on the past.",
        "reconciliations": "What was counted, compared with what the services hold.",
    },
)
