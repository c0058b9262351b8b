"""Brings the bus in line with a database that was restored to an earlier instant.

The bus has events that the database has lost, and others have counted them. Each is withdrawn by a row of the outbox
(kith.events.withdrawal), in one transaction, before anything new is written. So a withdrawal goes the way of every
event: it is published once the relay runs, in order, and again if that dies.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, BigInteger, Table, Uuid, any_, cast, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.bus.generations import of_generation
from kith.bus.port import Bus, NoTopic
from kith.consumer.delivery import read
from kith.consumer.tables import TABLES
from kith.db.removed import TABLE as REMOVED
from kith.events import actors
from kith.events.envelope import Envelope
from kith.events.withdrawal import Withdrawal
from kith.ids import new_id
from kith.outbox.dead_letters import NotPublishable, check, group_of
from kith.outbox.relay import own, topic_of
from kith.runtime.slices import in_pieces

MARGIN = timedelta(hours=1)
"""Longer than any transaction runs, and than two clocks differ: what was recorded as long before the end of the
database was committed by then."""


class NotRestored(RuntimeError):
    """Nothing was changed, for this reason."""

    loggable = True


@dataclass
class Compared:
    """The bus and the database, since an instant."""

    since: datetime
    looked_at: int = 0
    lost: list[Envelope] = field(default_factory=list)
    """The events on the bus that the database does not know, in the order in which they were published."""
    missing: list[int] = field(default_factory=list)
    """The places in the outbox of events that were published and are not on the bus."""
    withdrawn_before: int = 0
    """The events that the database has, and that were withdrawn when it was restored to before them."""


async def ensure_alone(connection: AsyncConnection, service: str) -> None:
    """Takes the outbox, as the relay does, until the connection is closed. Raises NotRestored if the service runs."""
    if not await own(connection, service):
        raise NotRestored(f"A worker of {service} runs. Stop all its workers and APIs first.")
    if running := await connection.scalar(_RUNNING, {"api": f"kith {service} api%"}):
        raise NotRestored(f"An API of {service} runs ({running} connections). Stop all its workers and APIs first.")


async def since_when(connection: AsyncConnection, *, retention_days: int, restored_to: datetime | None) -> datetime:
    """Returns the instant from which on the outbox has all events that the database knows, and that is before all that
    it has lost. Raises NotRestored if it cannot be found: the instant to which the database was restored says more."""
    newest, now = (await connection.execute(_NEWEST)).one()
    if (reached := restored_to or newest) is None:
        raise NotRestored("The outbox is empty. Say to which instant the database was restored: --restored-to.")
    since: datetime = reached - MARGIN
    kept = timedelta(days=retention_days)
    if since > now:
        raise NotRestored(f"{reached:%Y-%m-%d %H:%M} UTC is still to come. Say to which instant it was: --restored-to.")
    if restored_to is not None and newest is not None and since < newest - kept:
        # All that was published and is not kept would seem lost.
        raise NotRestored(
            f"The newest event is of {newest:%Y-%m-%d %H:%M} UTC, {retention_days} days or more after "
            f"{restored_to:%Y-%m-%d %H:%M}, and the outbox keeps events for as long only. Is the instant right?"
        )
    if restored_to is None and since < now - kept:
        raise NotRestored(
            f"The newest event is of {newest:%Y-%m-%d %H:%M} UTC, and the outbox keeps events for {retention_days} "
            "days. Say to which instant the database was restored: --restored-to."
        )
    return since


async def compare(
    connection: AsyncConnection,
    bus: Bus,
    service: str,
    outbox: Table,
    since: datetime,
    progress: Callable[[int], None],
    *,
    generation: int = 1,
) -> Compared:
    """Compares what is on the bus, in all generations of the topic up to this one, with what is in the outbox, or was
    set aside from it. The service may run."""
    known, found = await _known(connection, service, outbox, since), Compared(since)
    missing, withdrawn = await _published(connection, outbox, since), set[UUID]()
    for number in range(1, generation + 1):
        topic = of_generation(topic_of(service), number)
        with suppress(NoTopic):
            async for messages in bus.history(topic, since):
                found.looked_at += len(messages)
                progress(found.looked_at)
                for message in messages:
                    event = read(message).envelope
                    if event is None:  # nobody has counted what cannot be read
                        continue
                    missing.pop(event.id, None)
                    if event.type == Withdrawal.type:
                        withdrawn |= _withdrawn_by(event)
                    if event.recorded_at < since or event.id in known or not _is_of(service, event):
                        continue
                    known.add(event.id)  # it may be there twice
                    found.lost.append(event)
    found.missing = sorted(missing.values())
    here = select(func.count()).where(outbox.c.id == any_(cast([*withdrawn], ARRAY(Uuid))))
    found.withdrawn_before = await connection.scalar(here) or 0
    if found.lost:  # what was written and published meanwhile is known by now
        known = await _known(connection, service, outbox, since)
        rows = await connection.execute(select(REMOVED.c.tenant_id, REMOVED.c.readmitted_at))
        removed = {row.tenant_id: row.readmitted_at for row in rows}
        found.lost = [each for each in found.lost if each.id not in known and not _of_removed(each, removed)]
    return found


def _is_of(service: str, event: Envelope) -> bool:
    """Whether it is an event that the service has published. Others have no outbox to be lost from: what the bus itself
    says (kith.*), and what somebody else has written to the topic, which may be anything."""
    if event.source != service or event.type.startswith("kith."):
        return False
    try:
        check(event)
    except NotPublishable:
        return False
    return True


def _withdrawn_by(event: Envelope) -> set[UUID]:
    try:
        return {msgspec.json.decode(event.data, type=Withdrawal).event_id}
    except msgspec.MsgspecError:  # not one that a service has written
        return set()


def _of_removed(event: Envelope, removed: Mapping[str, datetime | None]) -> bool:
    """Whether nothing is said of the event, and it has no effect: its tenant was removed, and not readmitted before."""
    if event.tenant_id not in removed:
        return False
    readmitted_at = removed[event.tenant_id]
    return readmitted_at is None or event.recorded_at < readmitted_at


async def mend(connection: AsyncConnection, outbox: Table, found: Compared) -> None:
    """Writes the withdrawals into the outbox, in the order in which the events were published; and what the bus has
    not, the relay is to publish again."""
    for rows in in_pieces(_withdrawal(each) for each in found.lost):
        await connection.execute(insert(outbox).values(time=func.now(), recorded_at=func.now()), rows)
    for sequences in in_pieces(found.missing):
        again = outbox.c.seq == any_(cast(sequences, ARRAY(BigInteger)))
        await connection.execute(update(outbox).where(again).values(published_at=None))


async def _published(connection: AsyncConnection, outbox: Table, since: datetime) -> dict[UUID, int]:
    """Returns the places in the outbox of the events that were published since, as far as it knows."""
    columns = outbox.c
    published = select(columns.id, columns.seq).where(columns.recorded_at >= since, columns.published_at.is_not(None))
    return {row.id: row.seq for row in await connection.execute(published)}


async def _known(connection: AsyncConnection, service: str, outbox: Table, since: datetime) -> set[UUID]:
    """Returns the ids of the events that the database knows, and of those that were withdrawn already."""
    columns, letters = outbox.c, TABLES.dead_letters.c
    known = set(await connection.scalars(select(columns.id).where(columns.recorded_at >= since)))
    known |= set(await connection.scalars(select(letters.event_id).where(letters.group_name == group_of(service))))
    withdrawn = select(columns.data).where(columns.type == Withdrawal.type, columns.recorded_at >= since)
    known |= {msgspec.json.decode(data, type=Withdrawal).event_id for data in await connection.scalars(withdrawn)}
    return known


def _withdrawal(event: Envelope) -> dict[str, Any]:
    return {
        "id": new_id(),
        "tenant_id": event.tenant_id,
        "type": Withdrawal.type,
        "subject": event.subject,
        "aggregate_version": event.aggregate_version,
        "customer_id": event.customer_id,
        "actor": actors.service(event.source),
        "data": msgspec.json.encode(Withdrawal(event.id, event.type)),
    }


_RUNNING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE :api"
)
_NEWEST = text("SELECT max(recorded_at) FILTER (WHERE isfinite(recorded_at)), now() FROM outbox")
