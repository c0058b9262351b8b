"""What makes analytics a service."""

from analytics.commands.arrivals import TASKS as ARRIVALS
from analytics.commands.compute_rules import compute_rules
from analytics.commands.playbooks_daily import TASKS as PLAYBOOKS
from analytics.commands.playbooks_outcomes import TASKS as PLAYBOOK_OUTCOMES
from analytics.commands.score import score_due, score_everybody, score_noted
from analytics.commands.totals import settle_days
from analytics.consumers import SUBSCRIPTIONS
from analytics.health_jobs import TASKS as HEALTH_JOBS
from analytics.reconciliation import TASKS as RECONCILIATION
from analytics.settings import AnalyticsSettings
from analytics.storage.epoch import after_migrations
from analytics.storage.shadow import SWAPPED
from analytics.storage.tables import idempotency, outbox
from kith.offload import LIVE
from kith.service import Service
from kith.tasks import Task

SERVICE = Service(
    name="analytics",
    settings=AnalyticsSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="analytics.app:API",
    subscriptions=SUBSCRIPTIONS,
    tasks=[
        Task("activity definitions", compute_rules),
        Task("totals", settle_days),
        Task("health", score_noted, seconds=0.2),
        Task("health of the silent", score_due, seconds=1),
        Task("health by new models", score_everybody, seconds=1),
        *RECONCILIATION,
        *HEALTH_JOBS,
        *ARRIVALS,
        *PLAYBOOKS,
        *PLAYBOOK_OUTCOMES,
    ],
    lanes=[LIVE],
    commands={"rebuild": "analytics.commands.rebuild_cli", "reconcile": "analytics.reconciliation"},
    swapped=SWAPPED,
    documents={"metrics": "analytics.catalogue_cli", "health-models": "analytics.health_models_cli"},
    after_migrations=after_migrations,
)
