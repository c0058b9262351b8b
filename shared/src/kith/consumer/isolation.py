"""Finds the messages of a batch that cannot be handled, and what has to wait behind them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer.delivery import Delivery, Line
from kith.consumer.faults import Fault, fault_of
from kith.consumer.subscription import Handler, TooManyDeadLetters

TENANT_WAITS = "parked: too many of its tenant's failed"


def share_of(limit: int) -> int:
    """How many of a tenant's may fail until all of that tenant waits: it takes several to halt what all share."""
    return max(1, limit // 4)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    delivery: Delivery
    reason: str
    parked: bool


@dataclass(slots=True)
class FailureIsolation:
    """Handles what can be handled, in order, in savepoints of one transaction; the rest is left in `dead_letters`."""

    connection: AsyncConnection
    handle: Handler
    blocked: dict[Line, str]
    """Lines that wait already, and the name of what they wait behind."""
    limit: int
    """So many may fail before the search ends, of one tenant a share of them: past it, the handler is to blame."""
    give_up_on_contention: bool = False
    failed_before: Counter[str] = field(default_factory=Counter)
    """By tenant, how many have failed and are unresolved. One that has used up its share waits as a whole."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    failed: int = 0

    async def isolate_failures(self, deliveries: Sequence[Delivery]) -> None:
        """Raises TooManyDeadLetters, or what the handler raises if no message is to blame."""
        clear = [delivery for delivery in deliveries if not self._stopped(delivery)]
        if not clear:
            return
        envelopes = [delivery.envelope for delivery in clear if delivery.envelope is not None]
        try:
            async with self.connection.begin_nested():
                await self.handle(self.connection, envelopes)
        except Exception as error:
            if not self._is_poison(error):
                raise
            if len(clear) == 1:
                self._dead_letter(clear[0], f"{type(error).__name__}: {error}")
                return
            # Halves: one bad message in n costs about 2 log n calls, and all before it take effect.
            middle = len(clear) // 2
            await self.isolate_failures(clear[:middle])
            await self.isolate_failures(clear[middle:])

    def _stopped(self, delivery: Delivery) -> bool:
        head = self.blocked.get(delivery.line) if delivery.line is not None else None
        if head is not None:
            self.dead_letters.append(DeadLetter(delivery, f"parked behind {head}", parked=True))
            return True
        if (tenant := delivery.tenant_id) is not None and self.failed_before[tenant] >= share_of(self.limit):
            self.dead_letters.append(DeadLetter(delivery, TENANT_WAITS, parked=True))
            return True
        if delivery.fault is not None:
            self._dead_letter(delivery, delivery.fault)
            return True
        return False

    def _dead_letter(self, delivery: Delivery, reason: str) -> None:
        self.dead_letters.append(DeadLetter(delivery, reason, parked=False))
        self.failed += 1
        if delivery.tenant_id is not None:
            self.failed_before[delivery.tenant_id] += 1
        if self.failed > self.limit:
            raise TooManyDeadLetters(
                f"more than {self.limit} messages of one batch failed; the last is {delivery.name}: {reason}"
            )
        if delivery.line is not None:
            self.blocked[delivery.line] = delivery.name

    def _is_poison(self, error: Exception) -> bool:
        fault = fault_of(error)
        return fault is Fault.POISON or (fault is Fault.CONTENTION and self.give_up_on_contention)
