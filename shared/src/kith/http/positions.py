"""Reading one's writes: a request with `Kith-Wait-For` waits until what it names has had its effect here.

What it names are positions, as writes answer them in `Kith-Position`. A service has always seen its own; of another
it has seen what its consumer has applied; and of one that it does not read nothing is ever seen there, so that nothing
is waited for. Waiting is bounded, in time and in how many wait, and is done before a request has a slot: who waits
keeps nobody else waiting. The answer says in `Kith-Reached` whether it was worth it.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Self

from pydantic import TypeAdapter, ValidationError

from kith.consumer import Subscription
from kith.consumer.positions import reached
from kith.custom.known import forget
from kith.db.connections import Database
from kith.errors import Invalid
from kith.scalars import Instant

WAIT_FOR, REACHED = "Kith-Wait-For", "Kith-Reached"
SECONDS, EVERY = 2.0, 0.05
MOST_WAITING = 200
"""Of one process: more are answered as things are."""
MOST_NAMED = 8
_instant: TypeAdapter[datetime] = TypeAdapter(Instant)


class Position(NamedTuple):
    service: str
    recorded_at: datetime

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises Invalid for what is no position."""
        service, _, instant = text.strip().partition("@")
        try:
            if not re.fullmatch("[a-z]+(-[a-z]+)*", service):
                raise ValueError(service)
            return cls(service, _instant.validate_python(instant))
        except (ValidationError, ValueError):
            rule = "It is a position as writes answer it, sales@2026-05-01T12:00:00.123456+00:00; several with commas."
            raise Invalid(rule, field=WAIT_FOR) from None

    @classmethod
    def several(cls, text: str) -> list[Self]:
        """Raises Invalid."""
        found = text.split(",")
        if len(found) > MOST_NAMED:
            raise Invalid(f"It names at most {MOST_NAMED} positions.", field=WAIT_FOR)
        return [cls.of(each) for each in found]


class Positions:
    """How far this service has read the others. One per process: all who wait share what is looked up."""

    def __init__(self, service: str, database: Database, subscriptions: Sequence[Subscription]) -> None:
        self._service = service
        self._database = database
        self._group = {topic.removeprefix("kith."): each.group for each in subscriptions for topic in each.topics}
        """By source."""
        self._waiting = 0
        self._lock = asyncio.Lock()
        self._known: Mapping[str, datetime] = {}
        self._looked_at = float("-inf")

    async def waited_for(self, tenant: str, text: str) -> dict[str, str]:
        """Waits until the positions are reached. Returns the header that says whether they are. Raises Invalid."""
        wanted = Position.several(text)
        read = [each for each in wanted if each.service in self._group and each.service != self._service]
        is_reached = not read or await self._wait(tenant, read)
        if read:  # what is trusted of the tenant's fields may be of before
            forget(tenant)
        return {REACHED: f"{self._service}={'yes' if is_reached else 'no'}"}

    async def _wait(self, tenant: str, wanted: Sequence[Position]) -> bool:
        until = time.monotonic() + (SECONDS if self._waiting < MOST_WAITING else 0.0)
        self._waiting += 1
        try:
            while not await self._are_reached(tenant, wanted):
                if time.monotonic() >= until:
                    return False
                await asyncio.sleep(EVERY)
            return True
        finally:
            self._waiting -= 1

    async def _are_reached(self, tenant: str, wanted: Sequence[Position]) -> bool:
        async with self._lock:
            if time.monotonic() - self._looked_at >= EVERY:
                async with self._database.read(tenant) as connection:
                    found = [await reached(connection, group) for group in sorted({*self._group.values()})]
                self._known = {source: each[source] for each in found for source in each if source in self._group}
                self._looked_at = time.monotonic()
        return all(
            (up_to := self._known.get(each.service)) is not None and up_to >= each.recorded_at for each in wanted
        )
