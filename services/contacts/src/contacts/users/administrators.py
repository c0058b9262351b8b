"""Who administers a tenant: active users who have a role with the scope for it. Once there is one, one is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.roles.rules import Role
from contacts.tables import metadata
from contacts.users.rules import User, UserState
from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.nouns.resource import Attempt

SCOPE = "contacts:admin"


class LastAdministrator(Conflict):
    code = ErrorCode.LAST_ADMINISTRATOR

    def __init__(self) -> None:
        super().__init__("Nobody would be left who administers the tenant: give someone else a role for it first.")


def _table(name: str) -> Table:
    """By name: the forms that have these tables go by what is here."""
    return metadata.tables[name]


def given_in(asked: Sequence[Attempt], name: str) -> list[Any]:
    """Returns the values that inputs have of a field that some of them have."""
    values = (getattr(each, name, None) for each, _ in asked)
    return [value for value in values if value is not None]


async def roles_in_use(connection: AsyncConnection, tenant: str) -> set[UUID]:
    u = _table("users").c
    return set(await connection.scalars(select(func.unnest(u.role_ids)).where(u.tenant_id == tenant).distinct()))


async def teams_in_use(connection: AsyncConnection, tenant: str) -> set[UUID]:
    u = _table("users").c
    named = select(u.team_id).where(u.tenant_id == tenant, u.team_id.is_not(None)).distinct()
    return set(await connection.scalars(named))


@dataclass
class Administrators:
    """Those of one tenant, as they are after the changes that it was told of."""

    roles: set[UUID]
    """Those that have the scope."""
    users: dict[UUID, frozenset[UUID]]
    """The roles of active users who have one of these."""

    @classmethod
    async def of(cls, connection: AsyncConnection, tenant: str) -> "Administrators":
        r, u = _table("roles").c, _table("users").c
        having = select(r.id).where(r.tenant_id == tenant, any_(r.scopes) == SCOPE, r.removed_at.is_(None))
        roles = set(await connection.scalars(having))
        if not roles:
            return cls(roles, {})
        has_one = u.role_ids.op("&&")(cast(sorted(roles), ARRAY(Uuid)))
        active = select(u.id, u.role_ids).where(u.tenant_id == tenant, u.state == UserState.ACTIVE, has_one)
        return cls(roles, {row.id: frozenset(row.role_ids) for row in await connection.execute(active)})

    def of_user(self, user: User) -> None:
        """Raises LastAdministrator."""
        others = {id: roles for id, roles in self.users.items() if id != user.id}
        if user.state is UserState.ACTIVE:
            others[user.id] = frozenset(user.role_ids)
        self._must_be_left(self.roles, others)

    def of_role(self, role: Role) -> None:
        """Raises LastAdministrator."""
        has_it = SCOPE in role.scopes and role.removed_at is None
        self._must_be_left(self.roles | {role.id} if has_it else self.roles - {role.id}, self.users)

    def _must_be_left(self, roles: set[UUID], users: Mapping[UUID, frozenset[UUID]]) -> None:
        left = {id: mine for id, mine in users.items() if mine & roles}
        if self.users and not left:
            raise LastAdministrator
        self.roles, self.users = roles, left
