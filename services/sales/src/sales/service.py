"""What makes sales a service."""

from kith.customers.repointing import Repointing
from kith.nouns.fills import filling
from kith.nouns.unconfirmed_reads import confirming
from kith.runtime.service import Service
from sales.consumers import SUBSCRIPTIONS
from sales.erasing import ERASING
from sales.opportunities.pipeline import TASKS
from sales.resources import RESOURCES
from sales.settings import SalesSettings
from sales.tables import idempotency, outbox

SERVICE = Service(
    name="sales",
    settings=SalesSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="sales.app:API",
    subscriptions=SUBSCRIPTIONS,
    tasks=(*TASKS, filling(RESOURCES), confirming(RESOURCES), Repointing(outbox.metadata).task(), ERASING.task()),
)
