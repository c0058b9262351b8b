"""The gate: an actor may do what both its token and its roles allow, and a suspended user may do nothing.

An actor whom the directory does not know, a user without roles, and a client may do what the token allows. What was
read of an actor is trusted for `TRUSTED_SECONDS`: so long after its event has arrived a suspension may have no effect
yet.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func, select

from kith.db.connections import Database
from kith.db.statements import Statement
from kith.errors import UserSuspended
from kith.events.actors import user_id
from kith.http.auth import Actor
from kith.people.directory import Directory

TRUSTED_SECONDS = 2.0
MOST_TRUSTED = 10_000
INVITED, SUSPENDED = "invited", "suspended"
"""States of a user, as contacts publishes them."""


class Known(NamedTuple):
    """What the directory has of a user."""

    id: UUID
    state: str
    scopes: frozenset[str] | None
    """What the roles allow. None: there are no roles, and the token alone decides."""


FirstSight = Callable[[Actor, Known | None], Awaitable[bool]]
"""Called for an actor who is unknown or invited, before the request. Returns whether the directory has changed."""


@dataclass(frozen=True, slots=True)
class _Trusted:
    known: Known | None
    until: float


class Gate:
    """Of one process."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        *,
        first_sight: FirstSight | None = None,
        seconds: float = TRUSTED_SECONDS,
    ) -> None:
        self.seconds = seconds
        self._database = database
        self._statement = _statement(directory)
        self._first_sight = first_sight
        self._trusted: dict[tuple[str, str], _Trusted] = {}
        """By tenant and subject."""

    async def admitted(self, actor: Actor) -> Actor:
        """Returns the actor with the scopes that its roles leave of its token's. Raises UserSuspended and
        TenantRemoved."""
        known = None if actor.is_client else await self._known(actor)
        if known is None:
            return actor
        if known.state == SUSPENDED:
            raise UserSuspended("The user is suspended. Someone who administers the tenant can resume it.")
        return actor if known.scopes is None else replace(actor, scopes=actor.scopes & known.scopes)

    async def _known(self, actor: Actor) -> Known | None:
        now, key = time.monotonic(), (actor.tenant, actor.subject)
        if (trusted := self._trusted.get(key)) is not None and now < trusted.until:
            return trusted.known
        known = await self._look_up(actor)
        if self._first_sight is not None and (known is None or known.state == INVITED):  # noqa: SIM102 - two questions
            if await self._first_sight(actor, known):
                known = await self._look_up(actor)
        if len(self._trusted) >= MOST_TRUSTED:
            self._trusted.clear()
        self._trusted[key] = _Trusted(known, now + self.seconds)
        return known

    async def _look_up(self, actor: Actor) -> Known | None:
        values = {"tenant": actor.tenant, "actor": user_id(actor.tenant, actor.subject)}
        async with self._database.read(actor.tenant) as connection:
            rows = await self._statement.fetch(connection, values)
        if not rows:
            return None
        row = rows[0]  # there is one at most
        return Known(row["id"], row["state"], frozenset(row["scopes"]) if row["role_ids"] else None)


def _statement(directory: Directory) -> Statement:
    u, r = directory.users.c, directory.roles.c
    scopes = select(func.unnest(r.scopes)).where(r.tenant_id == u.tenant_id, r.id == func.any(u.role_ids))
    return Statement(
        select(u.id, u.state, u.role_ids, func.array(scopes.scalar_subquery()).label("scopes")).where(
            u.tenant_id == bindparam("tenant"), u.actor_id == bindparam("actor")
        )
    )
