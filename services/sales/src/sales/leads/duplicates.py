"""Leads of one address: who is captured again is noted, and never merged by itself."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, TEXT, Table, any_, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, NewInput, values_of
from kith.nouns.resource import Attempt
from sales.leads.rules import LeadState

_OPEN = [state for state in LeadState if state.is_open]


class Captured:
    """The open leads that there are of the addresses in a request, and those that the request has captured so far."""

    def __init__(self, leads: Mapping[str, UUID]) -> None:
        self._leads = dict(leads)

    def arguments(self, given: Input) -> Mapping[str, Any]:
        address = _address(given)
        return {"duplicate_of_id": self._leads.get(address)} if address is not None else {}

    def accepted(self, given: Input, record: Aggregate) -> None:
        if (address := _address(given)) is not None:
            self._leads.setdefault(address, record.id)

    async def flush(self) -> None:
        """Nothing follows."""


async def open_leads(connection: AsyncConnection, tenant: str, leads: Table, asked: Sequence[Attempt]) -> Captured:
    """Returns the first open lead of each address, in whatever case it is written."""
    c = leads.c
    wanted = sorted({each.lower() for each in values_of([given for given, before in asked if before is None], "email")})
    if not wanted:
        return Captured({})
    address = func.lower(c.email)
    rows = (
        select(address, c.id)
        .where(c.tenant_id == tenant, address == any_(cast(wanted, ARRAY(TEXT))))
        .where(c.state.in_(_OPEN), c.archived_at.is_(None))
        .order_by(address, c.created_at, c.id)
        .ext(distinct_on(address))
    )
    return Captured({row[0]: row[1] for row in await connection.execute(rows)})


def _address(given: Input) -> str | None:
    """Returns that of a lead that is captured; what is amended later is not compared."""
    address: str | None = getattr(given, "email", None) if isinstance(given, NewInput) else None
    return None if address is None else address.lower()
