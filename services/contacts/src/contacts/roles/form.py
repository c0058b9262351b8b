"""The form of a role: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import ARRAY, TEXT, Column, Index, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.roles.rules import Role
from contacts.tables import metadata
from contacts.users.administrators import Administrators, given_in, roles_in_use
from kith.db.one_at_a_time import one_at_a_time
from kith.db.tables import Moment, TenantId, aggregate_table
from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.http.scopes import NARROW_SCOPES, SCOPES
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Attempt, Check, Command, Resource, View
from kith.scalars import Code, Text


class RoleAlreadyDefined(Conflict):
    code = ErrorCode.ROLE_ALREADY_DEFINED


class RoleInUse(Conflict):
    code = ErrorCode.ROLE_IN_USE


def _scope(sent: str) -> str:
    if sent not in (*SCOPES, *NARROW_SCOPES):
        allowed = ", ".join((*SCOPES, *NARROW_SCOPES))
        raise PydanticCustomError("unknown", "It is one of {allowed}.", {"allowed": allowed})
    return sent


Scopes = Annotated[list[Annotated[Code, AfterValidator(_scope)]], Field(min_length=1, max_length=100), AS_SET]


class CreateRole(NewInput):
    code: Code
    name: Text
    scopes: Scopes


class AmendRole(Amendment):
    code: Code = UNSENT
    name: Text = UNSENT
    scopes: Scopes = UNSENT


class RemoveRole(Input):
    pass


roles = aggregate_table(
    "roles",
    metadata,
    Column("code", TenantId, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("scopes", ARRAY(TEXT), nullable=False),
    Column("removed_at", Moment),
    listed_by=("code",),
)
Index("roles_one_by_code", roles.c.tenant_id, roles.c.code, unique=True, postgresql_where=roles.c.removed_at.is_(None))


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a code names one role, that nobody has a role that is removed, and that one administrator
    is left."""
    await one_at_a_time(connection, tenant, "people")
    c, codes = roles.c, given_in(asked, "code")
    named = select(c.code, c.id).where(c.tenant_id == tenant, c.code.in_(codes), c.removed_at.is_(None))
    taken = {row.code: row.id for row in await connection.execute(named)} if codes else {}
    in_use = await roles_in_use(connection, tenant)
    administrators = await Administrators.of(connection, tenant)

    def check(given: Input, role: Aggregate) -> None:
        assert isinstance(role, Role)
        if isinstance(given, RemoveRole) and role.id in in_use:
            raise RoleInUse(f"Role {role.id} is someone's: take it from all who have it first.")
        if taken.get(role.code, role.id) != role.id:
            raise RoleAlreadyDefined(f"There is another role {role.code}.", field="code")
        administrators.of_role(role)
        taken[role.code] = role.id

    return check


@dataclass(slots=True)
class RoleView(View):
    code: str
    name: str
    scopes: list[str]
    removed_at: datetime | None


ROLES = Resource(
    "role",
    "roles",
    Role,
    roles,
    RoleView,
    (
        Command("create", CreateRole, Role.create),
        Command("amend", AmendRole, Role.amend),
        Command("remove", RemoveRole, Role.remove),
    ),
    filters=("code",),
    searched=("name", "code"),
    unpublished={"name": "Words for people. Services go by the scopes."},
    write_verb="admin",
    checks=can_be_so,
)
