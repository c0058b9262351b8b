"""Comparing: exports, ledger and facts side by side in the order of ids, then the figures.

All that analytics holds is read in one snapshot, so that nothing moves between the one and the other.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import Grain, Interval
from analytics.ledger.freshness import freshness
from analytics.metrics.catalogue import metric
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.projections.activity import ActivityPolicy
from analytics.projections.tables import merged_customers
from analytics.projections.tenants import DEFAULT_ZONE, tenant_settings
from analytics.reconciliation.collections import BY_TYPE, Collection, Record
from analytics.reconciliation.export_files import Exported
from analytics.reconciliation.figures import METRICS, Expected, Figure, Periods, differences
from analytics.reconciliation.records import MARGIN, Comparison, LedgerEvent, Stood
from analytics.reconciliation.report import SAMPLES, MetricReport, Report, Tally
from kith.customers.chains import survivors_of
from kith.db.sessions import driver_of
from kith.reach import EVERYONE

FETCHED = 500
"""Rows that a cursor brings at a time; between them the process's other work has its turn."""
# To bring the ledger into the order of aggregates takes longer than a worker's statements do.
_LONG = "SET LOCAL statement_timeout = '30min'; SET LOCAL work_mem = '64MB'"

T = TypeVar("T", LedgerEvent, Stood)
Survivors = Mapping[UUID, UUID]


async def behind(connection: AsyncConnection, exports: Sequence[Exported]) -> list[str]:
    """The sources of which not all is counted yet that these exports may hold."""
    counted = {each.source: each.counted_up_to for each in await freshness(connection)}
    late = {
        each.collection.service
        for each in exports
        if (up_to := counted[each.collection.service]) is None or up_to < each.taken_at
    }
    return sorted(late)


async def compare(
    connection: AsyncConnection, tenant: str, exports: Sequence[Exported], *, margin: timedelta = MARGIN
) -> Report:
    """`connection` is in a snapshot in which no source is behind these exports."""
    await driver_of(connection).execute(_LONG)
    survivors = await _survivors(connection, tenant)
    comparisons = {each.collection: Comparison(each.collection, each.taken_at, survivors, margin) for each in exports}
    tallies = {each.collection: Tally() for each in exports}
    first = settled = min(each.taken_at for each in exports)
    async for each in _side_by_side(connection, tenant, exports):
        comparison, tally = comparisons[each.collection], tallies[each.collection]
        in_flight = comparison.in_flight(each.record["version"] if each.record else 0, each.events)
        settled = min([settled, *(event.time for event in in_flight)])
        first = min([first, *(event.time for event in each.events[:1])])
        tally.records += each.record is not None
        tally.in_flight += len(in_flight)
        tally.add(comparison.mismatches(each.id, each.record, each.events, each.facts))
    settings = _settings(exports)
    policy = (await tenant_settings(connection, tenant)).policy
    periods, metrics = await _figures(connection, tenant, exports, settings, policy, survivors, first, settled)
    return Report(
        periods[0],
        periods[-1],
        policy.version,
        [tallies[e.collection].report(e.collection.service, e.collection.name, e.taken_at) for e in exports],
        metrics,
    )


# Records


class _Aggregate(NamedTuple):
    id: UUID
    collection: Collection
    record: Record | None
    events: Sequence[LedgerEvent]
    facts: Sequence[Stood]


async def _side_by_side(
    connection: AsyncConnection, tenant: str, exports: Sequence[Exported]
) -> AsyncIterator[_Aggregate]:
    """Every aggregate that any of the three knows. Each has one of them in memory."""
    records = heapq.merge(*(_identified(each) for each in exports), key=lambda each: each[0])
    events = _by_subject(LedgerEvent, _rows(connection, _EVENTS, tenant))
    facts = _by_subject(Stood, _rows(connection, _FACTS, tenant))
    record, recorded, stood = next(records, None), await anext(events, None), await anext(facts, None)
    while record or recorded or stood:
        heads = record and record[0], recorded and recorded[0].subject, stood and stood[0].subject
        id = min(head for head in heads if head)
        mine = record if record and record[0] == id else None
        my_events: Sequence[LedgerEvent] = recorded if recorded and recorded[0].subject == id else ()
        my_facts: Sequence[Stood] = stood if stood and stood[0].subject == id else ()
        collection = mine[1] if mine else BY_TYPE[(my_events or my_facts)[0].type]
        yield _Aggregate(id, collection, mine[2] if mine else None, my_events, my_facts)
        if mine:
            record = next(records, None)
        if my_events:
            recorded = await anext(events, None)
        if my_facts:
            stood = await anext(facts, None)


def _identified(export: Exported) -> Iterator[tuple[UUID, Collection, Record]]:
    for record in export.records():
        yield UUID(record["id"]), export.collection, record


async def _by_subject(kind: type[T], rows: AsyncIterator[Any]) -> AsyncIterator[list[T]]:
    group: list[T] = []
    async for row in rows:
        each = kind(*row)
        if group and group[0].subject != each.subject:
            yield group
            group = []
        group.append(each)
    if group:
        yield group


async def _rows(connection: AsyncConnection, statement: str, tenant: str) -> AsyncIterator[Any]:
    async for row in driver_of(connection).cursor(statement, tenant, list(BY_TYPE), prefetch=FETCHED):
        yield row


_EVENTS = """
    SELECT subject, aggregate_version, id, type, time, recorded_at, customer_id
    FROM ledger WHERE tenant_id = $1 AND type = ANY($2::text[])
    ORDER BY subject, aggregate_version, id
"""
_FACTS = """
    SELECT subject, version, event_id, type, time, until, customer_id, origin_id, amount, currency, phase, state::text
    FROM facts WHERE tenant_id = $1 AND type = ANY($2::text[])
    ORDER BY subject, version
"""


async def _survivors(connection: AsyncConnection, tenant: str) -> Survivors:
    m = merged_customers.c
    rows = await connection.execute(select(m.customer_id, m.into).where(m.tenant_id == tenant))
    into = {row.customer_id: row.into for row in rows}
    return survivors_of(into)


# Figures


@dataclass(frozen=True)
class _Settings:
    """What the service says that the tenant has set."""

    version: int
    zone: str


def _settings(exports: Sequence[Exported]) -> _Settings:
    for export in exports:
        if export.collection.one_per_tenant:
            for record in export.records():
                return _Settings(record["version"], record["time_zone"])
    return _Settings(0, DEFAULT_ZONE)


async def _figures(
    connection: AsyncConnection,
    tenant: str,
    exports: Sequence[Exported],
    settings: _Settings,
    policy: ActivityPolicy,
    survivors: Survivors,
    first: datetime,
    settled: datetime,
) -> tuple[Sequence[datetime], list[MetricReport]]:
    periods = Periods.of(first, settled, settings.zone)
    expected = Expected(periods.all, policy, survivors, await _segments(exports, policy))
    async for export, record in _all(exports):
        expected.add(export.collection.name, record)
    notes = expected.notes()
    questions = [
        Question(
            Interval(periods.months[0], periods.months[-1]), settings.zone, policy, reach=EVERYONE, grain=Grain.MONTH
        )
    ]
    if periods.before:
        questions.insert(0, Question(Interval(*periods.before), settings.zone, policy, reach=EVERYONE))
    found = {
        id: [numbers for each in questions for numbers in await _answered(connection, tenant, id, each)]
        for id in METRICS
    }
    currencies = {id: {each.currency for numbers in mine for each in numbers} for id, mine in found.items()}
    known = await asyncio.to_thread(expected.figures, currencies)
    reports = []
    for id in METRICS:
        mine = {figure: numbers for figure, numbers in known.items() if figure.metric == id}
        compared, different = differences(periods.all, mine, found[id])
        reports.append(MetricReport(id, compared, len(different), notes.get(id), different[:SAMPLES]))
    return periods.all, reports


async def _answered(
    connection: AsyncConnection, tenant: str, id: str, question: Question
) -> list[dict[Figure, float | None]]:
    """Of each period of the question."""
    (figure,) = await figures(connection, tenant, [metric(id)], question)
    periods = []
    for each in figure.breakdown if question.grain else [figure]:
        values = {Figure(id, component.name): component.value for component in each.components}
        for one in each.by_currency:
            values |= {Figure(id, component.name, one.currency): component.value for component in one.components}
        periods.append(values)
    return periods


async def _segments(exports: Sequence[Exported], policy: ActivityPolicy) -> dict[UUID, str]:
    """Of the customers whose segment has a rule of its own."""
    if not policy.segments:
        return {}
    customers = [each for each in exports if each.collection.name == "customers"]
    return {UUID(row["id"]): row["segment"] async for _, row in _all(customers) if row["segment"] in policy.segments}


async def _all(exports: Sequence[Exported]) -> AsyncIterator[tuple[Exported, Record]]:
    for export in exports:
        for number, record in enumerate(export.records()):
            if number % FETCHED == 0:
                await asyncio.sleep(0)  # the process has other work
            yield export, record
