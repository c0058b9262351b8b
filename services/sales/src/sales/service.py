"""What makes sales a service."""

from kith.custom.filling import making_entries
from kith.custom.sweep import sweeping
from kith.customers.repointing import Repointing
from kith.exports.run import Exporter
from kith.nouns.fills import filling
from kith.nouns.unconfirmed_reads import confirming
from kith.peers.calls import Peers
from kith.processes.runner import Processes
from kith.runtime.service import Service
from kith.timers.firing import Timers
from sales.consumers import REACTING, SUBSCRIPTIONS
from sales.erasing import ERASING
from sales.leads.conversion import LEAD_CONVERSION
from sales.leads.rescoring import rescoring
from sales.opportunities.past_visits import VISITS
from sales.opportunities.pipeline import TASKS
from sales.resources import RESOURCES
from sales.settings import SalesSettings
from sales.tables import idempotency, outbox


def _peers() -> Peers:
    settings = SalesSettings()
    return Peers.of(settings, {"contacts": settings.url_contacts}, "contacts:read contacts:write contacts:personal")


SERVICE = Service(
    name="sales",
    settings=SalesSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="sales.app:API",
    subscriptions=SUBSCRIPTIONS,
    tasks=(
        *TASKS,
        Timers(RESOURCES, source="sales", outbox=outbox, idempotency=idempotency).task(),
        filling(RESOURCES, VISITS),
        sweeping(RESOURCES),
        making_entries(RESOURCES),
        confirming(RESOURCES),
        rescoring(),
        Repointing(outbox.metadata).task(),
        ERASING.task(),
        *REACTING.tasks(),
        *Exporter("sales", RESOURCES).tasks(),
        *Processes((LEAD_CONVERSION,), source="sales", outbox=outbox, idempotency=idempotency, peers=_peers).tasks(),
    ),
)
