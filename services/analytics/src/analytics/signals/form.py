"""The forms of a signal and of its readings: what can be done with them, their tables, and how they are seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from sqlalchemy import (
    TEXT,
    Column,
    Double,
    Index,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.tables import customer_owners
from analytics.signals.rules import Reading, Signal, SignalDefinedAlready
from analytics.tables import metadata
from kith.db.owned import owned_through
from kith.db.tables import TenantId, aggregate_table, reference
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, NewInput
from kith.nouns.resource import Attempt, Check, Command, One, Resource, View
from kith.scalars import Code, Id, Note, Real, Text


class DefineSignal(NewInput):
    code: Code
    title: Text
    unit: Code | None = None
    description: Note | None = None


class RecordReading(NewInput):
    signal_id: Id
    customer_id: Id
    value: Annotated[float, Real()]


async def code_is_free(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    c, codes = signals.c, [each.code for each, _ in asked if isinstance(each, DefineSignal)]
    taken = set(await connection.scalars(select(c.code).where(c.tenant_id == tenant, c.code.in_(codes))))

    def check(given: Input, _: Aggregate) -> None:
        if isinstance(given, DefineSignal):
            if given.code in taken:
                raise SignalDefinedAlready(given.code)
            taken.add(given.code)

    return check


signals = aggregate_table(
    "signals",
    metadata,
    Column("code", TenantId, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("unit", TEXT),
    Column("description", TEXT),
)
Index("signals_by_code", signals.c.tenant_id, signals.c.code, unique=True)

readings = aggregate_table(
    "readings",
    metadata,
    *reference("signal_id", signals),
    Column("value", Double, nullable=False),
    of_customer=True,
    listed_by=("signal_id",),
)
readings.c.signal_id.nullable = readings.c.customer_id.nullable = False
owned_through(readings, customer_owners)


@dataclass(slots=True)
class SignalView(View):
    code: str
    title: str
    unit: str | None
    description: str | None


@dataclass(slots=True)
class ReadingView(View):
    signal_id: UUID
    customer_id: UUID
    value: float


SIGNALS = Resource(
    "signal",
    "signals",
    Signal,
    signals,
    SignalView,
    (Command("define", DefineSignal, Signal.define),),
    filters=("code",),
    searched=("title", "code"),
    unpublished=dict.fromkeys(("title", "unit", "description"), "Words for people. Readings go by the signal's id."),
    checks=code_is_free,
    reference_data=True,
)
READINGS = Resource(
    "reading",
    "readings",
    Reading,
    readings,
    ReadingView,
    (Command("record", RecordReading, Reading.record),),
    filters=("customer_id", "signal_id"),
    relations=(
        One("signal"),
        One("customer", many="readings", words="What partners' signals said of it, newest first."),
    ),
    insert_only=True,
)
