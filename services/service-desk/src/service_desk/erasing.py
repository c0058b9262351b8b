"""What service-desk erases when contacts erases a customer or a contact."""

from kith.customers.erasing import Erasing
from kith.events.service_desk import ErasureConfirmed
from service_desk.resources import RESOURCES
from service_desk.tables import idempotency, outbox

ERASING = Erasing("service-desk", RESOURCES, ErasureConfirmed, outbox, idempotency)
