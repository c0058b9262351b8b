"""What makes analytics a service."""

from analytics.consumers import SUBSCRIPTIONS
from analytics.doctor import CHECKS
from analytics.erasures.erasing import ERASING
from analytics.health.scores.backlog import TASKS as BACKLOG
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.jobs.kinds import TASKS as HEALTH_JOBS
from analytics.ledger.arrivals import TASKS as ARRIVALS
from analytics.ledger.epoch import after_migrations
from analytics.ledger.freshness import TASKS as FRESHNESS
from analytics.metrics.retained import TASKS as RETENTION
from analytics.metrics.rollups import settle_days
from analytics.playbooks.daily import TASKS as PLAYBOOKS
from analytics.playbooks.outcomes import TASKS as PLAYBOOK_OUTCOMES
from analytics.projections.compute_rules import compute_rules
from analytics.projections.projection import declare, swapped
from analytics.read_models import PROJECTIONS
from analytics.reconciliation.wiring import TASKS as RECONCILIATION
from analytics.resources import RESOURCES
from analytics.settings import AnalyticsSettings
from analytics.tables import idempotency, outbox
from kith.nouns.fills import filling
from kith.runtime.offload import LIVE
from kith.runtime.service import Service
from kith.runtime.tasks import Task

declare(*PROJECTIONS)
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
        Task("health", process_score_queue, seconds=0.2),
        Task("health of the silent", score_due, seconds=1),
        Task("health by new models", score_everybody, seconds=1),
        *RECONCILIATION,
        *HEALTH_JOBS,
        *ARRIVALS,
        *BACKLOG,
        *FRESHNESS,
        *RETENTION,
        *PLAYBOOKS,
        *PLAYBOOK_OUTCOMES,
        filling(RESOURCES),
        ERASING.task(),
    ],
    lanes=[LIVE],
    checks=CHECKS,
    commands={"rebuild": "analytics.projections.rebuild_cli", "reconcile": "analytics.reconciliation.wiring"},
    swapped=swapped(),
    documents={"metrics": "analytics.metrics.cli", "health-models": "analytics.health.model.cli"},
    after_migrations=after_migrations,
)
