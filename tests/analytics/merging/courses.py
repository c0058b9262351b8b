"""Twins: two tenants to whom the same happens, to the id and the microsecond; in one of them customers are merged, and
separated again."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from tests.analytics.conftest import happened
from tests.analytics.histories import DAYS, STARTS_AT, history

from analytics.projections.merging import MERGES
from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerMerged, CustomerUnmerged
from kith.events.envelope import Envelope

AGE = timedelta(days=60)
"""How long ago the history ends, for most of what happens in it."""


@dataclass
class Twins:
    """What is published of both: batches of the one, and of the other the same without merges."""

    merging: str
    never: str
    chance: random.Random
    customers: list[UUID] = field(default_factory=list)
    into: dict[UUID, UUID] = field(default_factory=dict)
    """The customers that are merged at the moment, by whom they were merged into."""
    versions: dict[tuple[str, UUID], int] = field(default_factory=lambda: defaultdict(int))
    now: datetime = STARTS_AT
    merges: int = 0

    def ordinary(self, size: int) -> list[Envelope]:
        """What happens to both; some customers were referred by others."""
        events = [each for each in history("", size, self.chance) if each.type not in MERGES]
        self.customers = sorted({each.customer_id for each in events if each.customer_id is not None})
        later = datetime.now(UTC) - AGE - STARTS_AT - timedelta(days=DAYS)
        self.now = datetime.now(UTC) - timedelta(seconds=10 * size)
        return [msgspec.structs.replace(self._referred(each), time=each.time + later) for each in events]

    def _referred(self, event: Envelope) -> Envelope:
        if event.type != CustomerCreated.type or self.chance.random() < 0.7:
            return event
        created = msgspec.json.decode(event.data, type=CustomerCreated)
        referred = msgspec.structs.replace(created, referred_by=self.chance.choice(self.customers))
        return msgspec.structs.replace(event, data=msgspec.json.encode(referred))

    def both(self, event: Envelope) -> tuple[Envelope, Envelope]:
        """The event as each tenant has it; of a customer's record, its own number."""
        self.now += timedelta(seconds=1)
        if event.type == CustomerAmended.type:  # of a record, as a merge is: what has a later number happened later
            event = msgspec.structs.replace(event, time=self.now)
        merging, never = (self._of(tenant, event) for tenant in (self.merging, self.never))
        return merging, never

    def _of(self, tenant: str, event: Envelope) -> Envelope:
        self.versions[tenant, event.subject] += 1
        version = self.versions[tenant, event.subject]
        return msgspec.structs.replace(event, tenant_id=tenant, aggregate_version=version, recorded_at=self.now)

    def merge(self) -> Envelope | None:
        """Two at random, of which the first stands for itself; the other may be merged already, and end elsewhere."""
        there = [each for each in self.customers if self.versions[self.merging, each]]
        if len(there) < 2:
            return None
        one, other = self.chance.sample(there, 2)
        if one in self.into or self._end(other) == one:
            return None
        self.into[one] = other
        self.merges += 1
        return self._record(one, CustomerMerged(into=other))

    def unmerge(self) -> Envelope | None:
        if not self.into:
            return None
        one = self.chance.choice(list(self.into))
        return self._record(one, CustomerUnmerged(out_of=self.into.pop(one)))

    def _end(self, customer: UUID) -> UUID:
        while customer in self.into:
            customer = self.into[customer]
        return customer

    def _record(self, customer: UUID, event: CustomerMerged | CustomerUnmerged) -> Envelope:
        self.now += timedelta(seconds=1)
        return self._of(self.merging, happened(event, self.merging, self.now, customer))


def amendment(customer: UUID, segment: str, time: datetime) -> Envelope:
    return happened(CustomerAmended(changed=["segment"], segment=segment), "", time, customer)


def course(twins: Twins, size: int, pairs: int) -> Iterator[tuple[Envelope, ...]]:
    """Yields what is published, of one tenant or of both: ordinary events, so many merges among them, and unmerges;
    at last everybody stands for itself again."""
    events = twins.ordinary(size)
    every = max(1, len(events) * 4 // 5 // (2 * pairs))
    for place, event in enumerate(events):
        yield twins.both(event)
        if place % 40 == 0:  # records change, whoever they count for
            customer, segment = twins.chance.choice(twins.customers), twins.chance.choice(("gold", "silver"))
            if twins.versions[twins.merging, customer]:
                yield twins.both(amendment(customer, segment, twins.now))
        if place % every == 0:
            wanted = twins.merges < pairs and twins.chance.random() < 0.7
            moved = twins.merge() if wanted else twins.unmerge()
            if moved is not None:
                yield (moved,)
    while (moved := twins.unmerge()) is not None:
        yield (moved,)


def delivered(published: Sequence[Envelope], chance: random.Random) -> list[Envelope]:
    """In the order in which the bus brings them: some come late, after later ones of their own aggregate."""
    late = [chance.random() < 0.05 for _ in published]
    return [
        *(event for event, is_late in zip(published, late, strict=True) if not is_late),
        *(event for event, is_late in zip(published, late, strict=True) if is_late),
    ]
