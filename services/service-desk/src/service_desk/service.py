"""What makes service-desk a service."""

from kith.custom.filling import making_entries
from kith.custom.sweep import sweeping
from kith.customers.repointing import Repointing
from kith.exports.run import Exporter
from kith.nouns.fills import filling
from kith.nouns.unconfirmed_reads import confirming
from kith.runtime.service import Service
from service_desk.cases.open_cases import TASKS
from service_desk.consumers import SUBSCRIPTIONS
from service_desk.erasing import ERASING
from service_desk.resources import RESOURCES
from service_desk.settings import ServiceDeskSettings
from service_desk.tables import idempotency, outbox

SERVICE = Service(
    name="service-desk",
    settings=ServiceDeskSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="service_desk.app:API",
    subscriptions=SUBSCRIPTIONS,
    tasks=(
        *TASKS,
        filling(RESOURCES),
        sweeping(RESOURCES),
        making_entries(RESOURCES),
        confirming(RESOURCES),
        Repointing(outbox.metadata).task(),
        ERASING.task(),
        *Exporter("service-desk", RESOURCES).tasks(),
    ),
)
