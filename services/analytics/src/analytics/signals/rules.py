"""Signal: a number that a partner knows of customers, in a unit of its own. Reading: its value for one of them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.events.analytics import ReadingRecorded, SignalDefined
from kith.nouns.aggregate import Aggregate, OfCustomer


class SignalDefinedAlready(Conflict):
    code = ErrorCode.SIGNAL_DEFINED_ALREADY

    def __init__(self, code: str) -> None:
        super().__init__(f"There is a signal {code} already.", field="code")


@dataclass(kw_only=True, eq=False)
class Signal(Aggregate):
    """Something about customers that another system measures and sends, as readings."""

    code: str
    """By which health models name it; one signal of the tenant has it."""
    title: str
    unit: str | None = None
    description: str | None = None

    @classmethod
    def define(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, SignalDefined]:
        it = cls(id=id, **fields)
        return it, SignalDefined.of(it)


@dataclass(kw_only=True, eq=False)
class Reading(OfCustomer):
    """One value of a signal, of a customer at an instant."""

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    signal_id: UUID
    value: float

    @classmethod
    def record(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ReadingRecorded]:
        it = cls(id=id, **fields)
        return it, ReadingRecorded.of(it)
