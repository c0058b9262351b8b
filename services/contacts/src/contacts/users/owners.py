"""Owners: a suspended user keeps what it owns, and is given nothing more."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.users.administrators import given_in
from contacts.users.form import users
from contacts.users.rules import UserState
from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from kith.nouns.resource import Attempt, Check


async def owners_take_more(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that no record is given to a suspended user. The reference sees to it that there is one."""
    u, wanted = users.c, set(given_in(asked, "owner_id"))
    suspended = select(u.id).where(u.tenant_id == tenant, u.id.in_(wanted), u.state == UserState.SUSPENDED)
    refused = set(await connection.scalars(suspended)) if wanted else set()
    kept = {(record.id, getattr(record, "owner_id", None)) for _, record in asked if record is not None}

    def check(given: Input, record: Aggregate) -> None:
        owner = getattr(given, "owner_id", None)
        if owner in refused and (record.id, owner) not in kept:
            raise Invalid(f"User {owner} is suspended.", field="owner_id")

    return check
