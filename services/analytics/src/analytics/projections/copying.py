"""Rows by the hundred thousand: events out of the ledger by a cursor, read models into a table by COPY."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from analytics.projections.facts import Fact, RecordedEvent
from analytics.projections.replay import ActiveSpan, Merged
from kith.events.catalogue import versions_of
from kith.events.contacts import CustomerCreated

CHUNK = 10_000
NULL = r"\N"
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_encode = msgspec.json.Encoder().encode
_EVENT = "tenant_id, id, type, subject, aggregate_version, time, customer_id, data::text"
_FACT = (
    "tenant_id, subject, version, type, time, until, event_id, customer_id, origin_id, amount, currency, phase, "
    "phase_since, clock_since, state"
)


async def events_of(
    driver: Driver,
    tenant: str,
    *,
    known_at: datetime | None = None,
    types: Sequence[str] | None = None,
    customers: Sequence[UUID] | None = None,
    chunk: int = CHUNK,
) -> AsyncIterator[list[RecordedEvent]]:
    """A tenant's events, aggregate by aggregate, each one's by version. Of some customers: with what is nobody's, and
    with whom they referred. Needs a transaction."""
    where, values = _which(tenant, known_at, types, customers)
    statement = f"SELECT {_EVENT} FROM public.ledger WHERE {where} ORDER BY subject, aggregate_version"  # noqa: S608 - made here
    cursor = await driver.cursor(statement, *values)
    while rows := await cursor.fetch(chunk):
        yield [RecordedEvent.of(*row) for row in rows]


async def recorded_events_of(
    driver: Driver, tenant: str, types: Iterable[str], *, known_at: datetime | None = None
) -> list[RecordedEvent]:
    """Of types of which there are few."""
    where, values = _which(tenant, known_at, sorted(types))
    rows = await driver.fetch(f"SELECT {_EVENT} FROM public.ledger WHERE {where}", *values)  # noqa: S608 - made here
    return [RecordedEvent.of(*row) for row in rows]


async def count_events(
    driver: Driver,
    tenant: str,
    *,
    known_at: datetime,
    types: Sequence[str] | None,
    customers: Sequence[UUID] | None = None,
    up_to: int,
) -> int:
    """At most `up_to`: it stops there."""
    where, values = _which(tenant, known_at, types, customers)
    counted: int = await driver.fetchval(
        f"SELECT count(*) FROM (SELECT FROM public.ledger WHERE {where} LIMIT {int(up_to)}) counted",  # noqa: S608 - made here
        *values,
    )
    return counted


_OF_CUSTOMERS = (
    "(customer_id IS NULL OR customer_id = ANY($%d::uuid[]) OR "
    f"type = '{CustomerCreated.type}' AND (data->>'referred_by')::uuid = ANY($%d::uuid[]))"
)


def _which(
    tenant: str,
    known_at: datetime | None,
    types: Sequence[str] | None,
    customers: Sequence[UUID] | None = None,
) -> tuple[str, list[Any]]:
    where = "tenant_id = $1"
    values: list[Any] = [tenant]
    for condition, value in (
        ("recorded_at <= $%d", known_at),
        ("type = ANY($%d::text[])", types and [each for type in types for each in versions_of(type)]),
        (_OF_CUSTOMERS, customers),
    ):
        if value is not None:
            values.append(value)
            where += " AND " + condition.replace("%d", str(len(values)))
    return where, values


async def copy_facts(driver: Driver, table: str, facts: Iterable[tuple[Fact, UUID | None]]) -> None:
    await _copy(driver, table, _FACT, (_line(fact, origin) for fact, origin in facts))


async def copy_spans(driver: Driver, table: str, tenant: str, spans: Iterable[ActiveSpan]) -> None:
    named = "tenant_id, rule, customer_id, starts_at, ends_at"
    lines = (
        f"{_quoted(tenant)}\t{_quoted(rule)}\t{customer}\t{_moment(starts_at)}\t{_moment(ends_at)}\n"
        for rule, customer, starts_at, ends_at in spans
    )
    await _copy(driver, table, named, lines)


async def copy_merged(driver: Driver, table: str, tenant: str, merged: Iterable[Merged]) -> None:
    named = 'tenant_id, customer_id, "into", survivor, version'
    await _copy(driver, table, named, (f"{_quoted(tenant)}\t{m[0]}\t{m[1] or NULL}\t{m[2]}\t{m[3]}\n" for m in merged))


async def _copy(driver: Driver, table: str, columns: str, lines: Iterator[str]) -> None:
    """As text: a row of text costs half of what it does to hand its values to the driver one by one."""

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := "".join(islice(lines, CHUNK)).encode():
            yield chunk

    schema, _, name = table.partition(".")
    await driver.copy_to_table(
        name, source=chunks(), schema_name=schema, columns=[each.strip(' "') for each in columns.split(",")]
    )


def _line(fact: Fact, origin: UUID | None) -> str:
    tenant, event, type, subject, version, time, until, customer, amount, currency, phase, since, clock, state = fact
    at = _moment(time)
    return (
        f"{_quoted(tenant)}\t{subject}\t{version}\t{_quoted(type)}\t{at}\t{NULL if until is None else _moment(until)}\t"
        f"{event}\t{customer or NULL}\t{origin or NULL}\t{amount or NULL}\t{_quoted(currency)}\t{_quoted(phase)}\t"
        f"{NULL if since is None else at if since is time else _moment(since)}\t"
        f"{at if clock is time else _moment(clock)}\t" + _encode(state).decode().replace("\\", "\\\\") + "\n"
    )


def _moment(moment: datetime) -> str:
    return _encode(moment)[1:-1].decode()  # a tenth of what str() itself takes


@lru_cache(1024)
def _quoted(text: str | None) -> str:
    if text is None:
        return NULL
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
