"""Where the API of analytics is wired together."""

from analytics.activity_definitions import api as activity_definitions
from analytics.affinity import api as affinity
from analytics.customer import Customer
from analytics.customer_value import api as customer_value
from analytics.elsewhere import Product, Team, User
from analytics.erasures import api as erasures
from analytics.health.evaluation import api as health_evaluation
from analytics.health.evaluation import distribution_api as health_distribution
from analytics.health.explain import api as health
from analytics.health.model import api as health_models
from analytics.health.scores import api as health_scores
from analytics.jobs import api as jobs
from analytics.ledger import api as ledger
from analytics.live import api as live
from analytics.metrics import api as metrics
from analytics.metrics import cohorts_api as cohorts
from analytics.playbooks import api as playbooks
from analytics.reconciliation import api as reconciliation
from analytics.resources import RESOURCES
from analytics.tables import people
from analytics.timeline import api as timeline
from kith.api import Api

API = Api(
    "analytics",
    RESOURCES,
    features=(
        metrics.FEATURE,
        cohorts.FEATURE,
        ledger.FEATURE,
        timeline.FEATURE,
        activity_definitions.FEATURE,
        customer_value.FEATURE,
        affinity.FEATURE,
        health.FEATURE,
        health_scores.FEATURE,
        health_models.FEATURE,
        health_distribution.FEATURE,
        health_evaluation.FEATURE,
        jobs.FEATURE,
        playbooks.FEATURE,
        reconciliation.FEATURE,
        erasures.FEATURE,
        live.FEATURE,
    ),
    entities=(Customer, Product, User, Team),
    people=people,
    tags={
        affinity.TAG: affinity.WORDS,
        "analytics": "Figures: metrics, cohorts and members, the timeline, and how far each is counted.",
        "customer value": "What customers are worth: predicted by a fit of the tenant's own purchases.",
        "erasures": erasures.WORDS,
        "health": "How relationships stand: scores, what changes next, and models tried on the past.",
        "reconciliations": "What was counted, compared with what the services hold.",
    },
)
