"""What an actor with a limited reach creates or changes stays within it."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.owned import named_within, ownership
from kith.db.statements import streamed
from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, NewInput
from kith.nouns.named import Named
from kith.nouns.resource import Resource
from kith.reach import Reach

GivenT = TypeVar("GivenT", bound=Input)


class Owning:
    """Of one noun. It does nothing where everyone's records are within reach."""

    def __init__(self, resource: Resource, reach: Reach) -> None:
        self._owned = ownership(resource.table) if reach.is_limited else None
        self._reach = reach
        self._customers: set[UUID] = set()
        """Those within reach that records are given to."""

    async def load(self, connection: AsyncConnection, tenant: str, inputs: Sequence[Input], named: Named) -> None:
        if self._owned is not None and self._owned.through is not None:
            told = named.told(self._owned.column, inputs)
            self._customers = await self._reached(connection, tenant, self._owned.through, told)

    async def _reached(self, connection: AsyncConnection, tenant: str, customers: Table, told: set[UUID]) -> set[UUID]:
        ids, owners = (cast([*each], ARRAY(Uuid)) for each in (told, self._reach.owners or ()))
        is_it = (customers.c.tenant_id == tenant, customers.c.id == any_(ids))
        rows = select(customers.c.id).where(*is_it, named_within(customers, owners))
        return {row.id async for row in streamed(connection, rows, most=len(told))} if told else set()

    def given(self, given: GivenT) -> GivenT:
        """Returns the input with the actor as the owner of what it creates, if it names none."""
        owned = self._owned
        if owned is None or owned.through is not None or not isinstance(given, NewInput):
            return given
        if getattr(given, owned.column, None) is not None or self._reach.user_id is None:
            return given
        return given.taking({owned.column: self._reach.user_id})

    def check(self, before: Aggregate | None, after: Aggregate) -> None:
        """Raises Invalid for a record that would be out of reach."""
        if (owned := self._owned) is None:
            return
        id: UUID | None = getattr(after, owned.column)
        if before is not None and id == getattr(before, owned.column):
            return
        if owned.through is not None:
            id = getattr(after, f"told_{owned.column}", None) or id
            if id not in self._customers:
                raise Invalid("Send a customer." if id is None else f"There is no customer {id}.", field=owned.column)
        elif not self._reach.has(id):
            whose = "nobody's" if id is None else f"user {id}'s"
            raise Invalid(f"It would be {whose}, and out of your reach.", field=owned.column)
