"""Subscriptions: events from the bus, each taking effect exactly once in this service's own database.

A batch is one transaction: what the events do, and how far the group has read. The bus delivers at least once, the
transaction makes it once. What the transaction says is the truth; the broker's own offset is a hint for its tools.

Every failure has a destination:

- The database or the bus cannot now: wait, with jitter, and deliver the batch again.
- Another consumer has moved the offset on (this one was silent and has been replaced): roll back, rejoin, read again.
- A message cannot be handled: it becomes a row in `dead_letters`, in the batch's transaction, and its aggregate's later
  events wait behind it, so that order holds. Rows are then copied to the topic `<group>.dead-letters`, at least once.
- Too many messages of one tenant cannot be handled: all that is the tenant's waits, and the others go on.
- Too many messages of several tenants cannot be handled: this is a bug and not bad luck, so the line stops
  (TooManyDeadLetters).
- The log lost what was to be read next: the line stops (kith.bus.port.OffsetLost); refill and restart.
"""

from kith.consumer.replay import attend_dead_letters, discard_dead_letters, replay_dead_letters
from kith.consumer.run import run
from kith.consumer.subscription import Handler, Subscription, TooManyDeadLetters
from kith.consumer.tables import ConsumerTables, consumer_tables

__all__ = [
    "ConsumerTables",
    "Handler",
    "Subscription",
    "TooManyDeadLetters",
    "attend_dead_letters",
    "consumer_tables",
    "discard_dead_letters",
    "replay_dead_letters",
    "run",
]
