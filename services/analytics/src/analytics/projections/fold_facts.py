"""The projection of facts: each event with the state of its aggregate after it (see projections.facts)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.unnest import UnnestParams
from analytics.ledger.withdrawals import Withdrawn
from analytics.projections.facts import (
    Customer,
    Fact,
    RecordedEvent,
    Survivors,
    concerned,
    fact_of,
    facts_of,
    stands_alone,
)
from analytics.projections.past import Past
from analytics.projections.projection import Batch, Projection, ReadModel
from analytics.projections.replay import FactRows, Recomputation
from analytics.projections.tables import facts as facts_table

_encode = msgspec.json.Encoder().encode
_GIVEN = UnnestParams(
    tenant_id="name",
    event_id="uuid",
    type="name",
    subject="uuid",
    version="int",
    time="timestamptz",
    until="timestamptz",
    customer_id="uuid",
    amount="name",
    currency="name",
    phase="name",
    phase_since="timestamptz",
    clock_since="timestamptz",
    state="text",
    origin_id="uuid",
)
_SUBJECTS = UnnestParams(tenant_id="name", subject="uuid")
_ENDED = UnnestParams(tenant_id="name", subject="uuid", version="int", until="timestamptz")


class Aggregate(NamedTuple):
    tenant_id: str
    subject: UUID


class Facts(Projection):
    """The projection of facts. All others are computed from facts, so it is applied first."""

    tables = (ReadModel(facts_table, part="type", indexes=("type, time", "customer_id, type, time")),)

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        batch.facts, batch.written = await fold_facts(connection, batch.events, batch.survivors)

    async def retract(self, connection: AsyncConnection, batch: Batch) -> None:
        batch.written = await retract_facts(connection, batch.withdrawn, batch.survivors)
        for fact in batch.written:
            for customer in concerned(fact):
                batch.moved[fact.tenant_id].lost.add(customer)

    async def recompute(self, past: Past) -> Sequence[Recomputation]:  # noqa: ARG002 - its facts are all it needs
        return [FactRows()]


async def fold_facts(
    connection: AsyncConnection, events: Sequence[RecordedEvent], survivors: Survivors
) -> tuple[Sequence[Fact], Sequence[Fact]]:
    """Adds the events' facts; those of a merged customer count for its survivor. Returns the facts of these events, and
    all facts that were written: if an event came late, all facts of its aggregate are recomputed."""
    new = [fact_of(each) for each in events if stands_alone(each)]
    courses: dict[Aggregate, list[RecordedEvent]] = {}
    for each in events:
        if not stands_alone(each):
            courses.setdefault(Aggregate(each.tenant_id, each.subject), []).append(each)
    written = list(new)
    if courses:
        last = await last_facts(connection, list(courses))
        late: dict[Aggregate, list[RecordedEvent]] = {}
        for aggregate, course in courses.items():
            course.sort(key=lambda event: event.version)
            before = last.get(aggregate)
            if before is not None and before.version >= course[0].version:
                late[aggregate] = course
                continue
            made = facts_of(course, before)
            new += made
            written += made
        await _end(connection, [(before, courses[a][0].time) for a, before in last.items() if a not in late])
        if late:
            again = await _again(connection, late)
            arrived = {event.event_id for course in late.values() for event in course}
            new += [fact for fact in again if fact.event_id in arrived]
            written += again
    await insert_facts(connection, written, survivors)
    return [_of_survivor(fact, survivors) for fact in new] if survivors else new, written


async def retract_facts(
    connection: AsyncConnection, withdrawn: Sequence[Withdrawn], survivors: Survivors
) -> Sequence[Fact]:
    """Recomputes the facts of the aggregates of these events, which the ledger does not have any more. Returns all
    facts that were deleted, and those that were written in their place."""
    aggregates = list({Aggregate(each.tenant_id, each.subject) for each in withdrawn})
    gone = await _facts_of(connection, aggregates)
    again = await _again(connection, dict.fromkeys(aggregates, ()))
    if again:
        await insert_facts(connection, again, survivors)
    return [*gone, *(_of_survivor(fact, survivors) for fact in again)]


async def _facts_of(connection: AsyncConnection, aggregates: Sequence[Aggregate]) -> list[Fact]:
    rows: Any = await connection.exec_driver_sql(
        f"""
        SELECT f.tenant_id, f.event_id, f.type, f.subject, f.version, f.time, f.until, f.customer_id, f.amount::text,
               f.currency, f.phase, f.phase_since, f.clock_since, f.state::text
        FROM {_SUBJECTS.sql} JOIN facts f USING (tenant_id, subject)
        """,  # noqa: S608 - made here
        _SUBJECTS.values([each.tenant_id for each in aggregates], [each.subject for each in aggregates]),
    )
    return [Fact._make((*row[:-1], msgspec.json.decode(row[-1]))) for row in rows]


async def insert_facts(connection: AsyncConnection, facts: Sequence[Fact], survivors: Survivors) -> None:
    await connection.exec_driver_sql(
        f"""
        INSERT INTO facts (tenant_id, event_id, type, subject, version, time, until, customer_id, amount, currency,
                           phase, phase_since, clock_since, state, origin_id)
        SELECT tenant_id, event_id, type, subject, version, time, until, customer_id, amount::numeric, currency, phase,
               phase_since, clock_since, state::jsonb, origin_id
        FROM {_GIVEN.sql}
        """,  # noqa: S608 - made here
        _GIVEN.values(*columns(facts, survivors)),
    )


def columns(facts: Sequence[Fact], survivors: Survivors) -> tuple[list[Any], ...]:
    origins: list[UUID | None] = [None] * len(facts)
    if survivors:
        merged = [_of_survivor(fact, survivors) for fact in facts]
        origins = [old.customer_id if old is not now else None for old, now in zip(facts, merged, strict=True)]
        facts = merged
    *given, states = (list(column) for column in zip(*facts, strict=True))
    return (*given, [_encode(state).decode() for state in states], origins)


def _of_survivor(fact: Fact, survivors: Survivors) -> Fact:
    survivor = survivors.get(Customer(fact.tenant_id, fact.customer_id)) if fact.customer_id is not None else None
    return fact if survivor is None else fact._replace(customer_id=survivor)


async def last_facts(connection: AsyncConnection, aggregates: Sequence[Aggregate]) -> dict[Aggregate, Fact]:
    """Returns the last fact of each, of the customer that it was published of."""
    rows: Any = await connection.exec_driver_sql(
        f"""
        SELECT f.tenant_id, f.event_id, f.type, f.subject, f.version, f.time, f.until,
               coalesce(f.origin_id, f.customer_id), f.amount::text, f.currency, f.phase, f.phase_since, f.clock_since,
               f.state::text
        FROM {_SUBJECTS.sql}
        CROSS JOIN LATERAL (
            SELECT * FROM facts f WHERE f.tenant_id = t.tenant_id AND f.subject = t.subject
            ORDER BY version DESC LIMIT 1
        ) f
        """,  # noqa: S608 - made here
        _SUBJECTS.values([each.tenant_id for each in aggregates], [each.subject for each in aggregates]),
    )
    found = (Fact._make((*row[:-1], msgspec.json.decode(row[-1]))) for row in rows)
    return {Aggregate(fact.tenant_id, fact.subject): fact for fact in found}


async def _end(connection: AsyncConnection, ended: Sequence[tuple[Fact, datetime]]) -> None:
    if not ended:
        return
    await connection.exec_driver_sql(
        f"""
        UPDATE facts f SET until = t.until FROM {_ENDED.sql}
        WHERE f.tenant_id = t.tenant_id AND f.subject = t.subject AND f.version = t.version
        """,  # noqa: S608 - made here
        _ENDED.values(
            [fact.tenant_id for fact, _ in ended],
            [fact.subject for fact, _ in ended],
            [fact.version for fact, _ in ended],
            [until for _, until in ended],
        ),
    )


async def _again(connection: AsyncConnection, late: Mapping[Aggregate, Sequence[RecordedEvent]]) -> list[Fact]:
    """Recomputes all facts of aggregates whose events came out of order; the old ones are deleted."""
    rows: Any = await connection.exec_driver_sql(
        """
        WITH gone AS (
            DELETE FROM facts f USING unnest($1::text[], $2::uuid[]) AS t(tenant_id, subject)
            WHERE f.tenant_id = t.tenant_id AND f.subject = t.subject
            RETURNING f.tenant_id, f.event_id
        )
        SELECT l.tenant_id, l.id, l.type, l.subject, l.aggregate_version, l.time, l.customer_id, l.data::text
        FROM gone JOIN ledger l ON l.tenant_id = gone.tenant_id AND l.id = gone.event_id
        """,
        ([each.tenant_id for each in late], [each.subject for each in late]),
    )
    courses = {aggregate: list(course) for aggregate, course in late.items()}
    for row in rows:
        courses[Aggregate(row[0], row[3])].append(RecordedEvent.of(*row))
    return [fact for course in courses.values() for fact in facts_of(sorted(course, key=lambda event: event.version))]
