"""What sales erases when contacts erases a customer or a contact."""

from kith.customers.erasing import Erasing
from kith.events.sales import ErasureConfirmed
from sales.resources import RESOURCES
from sales.tables import idempotency, outbox

ERASING = Erasing("sales", RESOURCES, ErasureConfirmed, outbox, idempotency)
