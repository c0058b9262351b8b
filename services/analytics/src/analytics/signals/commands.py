"""What can be done with a signal and with its readings."""

from collections.abc import Sequence
from typing import Annotated

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.signals.rules import Reading, Signal, SignalDefinedAlready
from analytics.tables import signals
from kith.nouns.inputs import Input, NewInput
from kith.nouns.resource import Check, Command
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


async def code_is_free(connection: AsyncConnection, tenant: str, inputs: Sequence[Input]) -> Check:
    c, codes = signals.c, [each.code for each in inputs if isinstance(each, DefineSignal)]
    taken = set(await connection.scalars(select(c.code).where(c.tenant_id == tenant, c.code.in_(codes))))

    def check(given: Input) -> None:
        if isinstance(given, DefineSignal):
            if given.code in taken:
                raise SignalDefinedAlready(given.code)
            taken.add(given.code)

    return check


SIGNAL_COMMANDS = (Command("define", DefineSignal, Signal.define),)
READING_COMMANDS = (Command("record", RecordReading, Reading.record),)
