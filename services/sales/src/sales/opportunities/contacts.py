"""Who remains of the contacts that opportunities name, when some of them were merged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.customers.links import survivors
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from sales.opportunities.values import OpportunityContact
from sales.tables import known_contacts


@dataclass(frozen=True)
class Remaining:
    contacts: Mapping[UUID, UUID]

    def arguments(self, _: Input) -> Mapping[str, Any]:
        return {"remaining": self.contacts}

    def accepted(self, given: Input, record: Aggregate) -> None:
        """Nothing follows."""

    async def flush(self) -> None:
        """Nothing follows."""


async def remaining_contacts(
    connection: AsyncConnection, tenant: str, contacts: Sequence[OpportunityContact]
) -> Remaining:
    return Remaining(await survivors(connection, tenant, known_contacts, {each.told for each in contacts}))
