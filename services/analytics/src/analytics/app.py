"""Where the API of analytics is wired together."""

from analytics.api import (
    cohorts,
    definitions,
    health,
    health_distribution,
    health_jobs,
    health_models,
    health_scores,
    health_trials,
    playbooks,
    reconciliation,
    value,
)
from analytics.api.graphql import schema
from analytics.api.rest import MetricsQuery, router
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
