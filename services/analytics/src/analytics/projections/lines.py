"""Formats rows as lines for COPY: a line of text costs half of passing its values to the driver one by one."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from analytics.projections.facts import Fact

NULL = r"\N"
FACT = (
    "tenant_id",
    "subject",
    "version",
    "type",
    "time",
    "until",
    "event_id",
    "customer_id",
    "origin_id",
    "amount",
    "currency",
    "phase",
    "phase_since",
    "clock_since",
    "state",
)
_encode = msgspec.json.Encoder().encode


def line_of(*values: str | int | Decimal | UUID | datetime | list[str] | None) -> str:
    """Returns the line of a row of any table."""
    return "\t".join(map(_text, values)) + "\n"


def line_of_fact(fact: Fact, origin: UUID | None) -> str:
    tenant, event, type, subject, version, time, until, customer, amount, currency, phase, since, clock, state = fact
    at = moment(time)
    return (
        f"{quoted(tenant)}\t{subject}\t{version}\t{quoted(type)}\t{at}\t{NULL if until is None else moment(until)}\t"
        f"{event}\t{customer or NULL}\t{origin or NULL}\t{amount or NULL}\t{quoted(currency)}\t{quoted(phase)}\t"
        f"{NULL if since is None else at if since is time else moment(since)}\t"
        f"{at if clock is time else moment(clock)}\t" + _encode(state).decode().replace("\\", "\\\\") + "\n"
    )


def moment(moment: datetime) -> str:
    return _encode(moment)[1:-1].decode()  # takes a tenth of the time of str()


@lru_cache(1024)
def quoted(text: str | None) -> str:
    if text is None:
        return NULL
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _text(value: Any) -> str:
    match value:
        case datetime():
            return moment(value)
        case list():  # an array, whose elements are quoted as in JSON
            return quoted(f"{{{_encode(value).decode()[1:-1]}}}")
        case str() | None:
            return quoted(value)
        case _:
            return str(value)
