"""The gate: an actor may do what both its token and its roles allow, and a suspended user may do nothing.

An actor whom the directory does not know, a user without roles, and a client may do what the token allows. Who has a
narrow scope is told who it is, and who is in its team: one whom the directory does not know is nobody. What was
read of an actor is trusted for `TRUSTED_SECONDS`: so long after its event has arrived a suspension may have no effect
yet.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Integer, Uuid, bindparam, func, select

from kith.db.connections import Database
from kith.db.statements import Statement
from kith.errors import UserSuspended
from kith.events.actors import user_id
from kith.http.auth import MOST_OF_TEAM, Actor
from kith.http.scopes import NARROW_SCOPES, allowed_by_both
from kith.people.directory import Directory

TRUSTED_SECONDS = 2.0
MOST_TRUSTED = 10_000
MOST_IN_TEAMS = 100_000
"""Users that are remembered of all teams together."""
INVITED, SUSPENDED = "invited", "suspended"
"""States of a user, as contacts publishes them."""


class Known(NamedTuple):
    """What the directory has of a user."""

    id: UUID
    state: str
    scopes: frozenset[str] | None
    """What the roles allow. None: there are no roles, and the token alone decides."""
    team_id: UUID | None = None


FirstSight = Callable[[Actor, Known | None], Awaitable[bool]]
"""Called for an actor who is unknown or invited, before the request. Returns whether the directory has changed."""


@dataclass(frozen=True, slots=True)
class _Trusted:
    known: Known | None
    until: float


@dataclass(frozen=True, slots=True)
class _TrustedTeam:
    users: tuple[UUID, ...]
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
        self._users_of = _users_of(directory)
        self._teams: dict[tuple[str, UUID], _TrustedTeam] = {}
        """By tenant and team."""
        self._in_teams = 0

    async def admitted(self, actor: Actor) -> Actor:
        """Returns the actor with the scopes that its roles leave of its token's. Raises UserSuspended and
        TenantRemoved."""
        known = None if actor.is_client else await self._known(actor)
        if known is None:
            return actor
        if known.state == SUSPENDED:
            raise UserSuspended("The user is suspended. Someone who administers the tenant can resume it.")
        scopes = actor.scopes if known.scopes is None else allowed_by_both(actor.scopes, known.scopes)
        if scopes.isdisjoint(NARROW_SCOPES):
            return actor if known.scopes is None else replace(actor, scopes=scopes)
        team = await self._team(actor.tenant, known) if any(each.endswith(":team") for each in scopes) else ()
        return replace(actor, scopes=scopes, user_id=known.id, team=team)

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

    async def _team(self, tenant: str, known: Known) -> tuple[UUID, ...]:
        """Returns the users of the team of a user and of the teams within it: itself, where it is in none."""
        if known.team_id is None:
            return (known.id,)
        now, key = time.monotonic(), (tenant, known.team_id)
        if (trusted := self._teams.get(key)) is not None and now < trusted.until:
            return trusted.users
        values = {"tenant": tenant, "team": known.team_id, "most": MOST_OF_TEAM + 1}
        async with self._database.read(tenant) as connection:
            rows = await self._users_of.fetch(connection, values)
        # Sorted, so that the same team is the same whenever it is looked up.
        users = tuple(sorted({known.id, *(row["id"] for row in rows)}))
        if self._in_teams >= MOST_IN_TEAMS:
            self._teams.clear()
            self._in_teams = 0
        self._in_teams += len(users)
        self._teams[key] = _TrustedTeam(users, now + self.seconds)
        return users

    async def _look_up(self, actor: Actor) -> Known | None:
        values = {"tenant": actor.tenant, "actor": user_id(actor.tenant, actor.subject)}
        async with self._database.read(actor.tenant) as connection:
            rows = await self._statement.fetch(connection, values)
        if not rows:
            return None
        row = rows[0]  # there is one at most
        return Known(row["id"], row["state"], frozenset(row["scopes"]) if row["role_ids"] else None, row["team_id"])


def _statement(directory: Directory) -> Statement:
    u, r = directory.users.c, directory.roles.c
    scopes = select(func.unnest(r.scopes)).where(r.tenant_id == u.tenant_id, r.id == func.any(u.role_ids))
    return Statement(
        select(u.id, u.state, u.team_id, u.role_ids, func.array(scopes.scalar_subquery()).label("scopes")).where(
            u.tenant_id == bindparam("tenant"), u.actor_id == bindparam("actor")
        )
    )


def _users_of(directory: Directory) -> Statement:
    """Returns the statement of the users of a team and of those within it. A team that is within itself, as events may
    have it for a moment, ends."""
    u, t = directory.users.c, directory.teams.c
    within = select(bindparam("team", type_=Uuid).label("id")).cte("within", recursive=True)
    inner = select(t.id).where(t.tenant_id == bindparam("tenant"), t.parent_id == within.c.id)
    within = within.union(inner)
    users = select(u.id).where(u.tenant_id == bindparam("tenant"), u.team_id.in_(select(within.c.id)))
    return Statement(users.limit(bindparam("most", type_=Integer)))
