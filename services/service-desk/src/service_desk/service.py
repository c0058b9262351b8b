"""What makes service-desk a service."""

from kith.service import Service
from service_desk.consumers import SUBSCRIPTIONS
from service_desk.settings import ServiceDeskSettings
from service_desk.storage.tables import idempotency, outbox

SERVICE = Service(
    name="service-desk",
    settings=ServiceDeskSettings,
    outbox=outbox,
    idempotency=idempotency,
    api="service_desk.app:API",
    subscriptions=SUBSCRIPTIONS,
)
