"""Who asks, over both APIs: the actor, its user if there is one, what it may do, and the teams it is in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import strawberry
from fastapi import APIRouter, Depends, Request
from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from contacts.teams.form import TEAMS, TeamView, teams
from contacts.users.form import USERS, UserView, users
from kith.api import Feature
from kith.events import actors
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import Context, actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.listing import Listing
from kith.nouns.queries import Queries
from kith.reach import EVERYONE

WORDS = "Who asks: the actor of the token, and what both the token and its roles allow."
router = APIRouter(prefix="/v1", tags=["me"], dependencies=[Depends(only_known_parameters)])
ANYBODY: Any = actor_with(None)
_USERS, _TEAMS = (Listing("contacts", each, {}) for each in (USERS, TEAMS))


@dataclass(slots=True)
class Me:
    actor: str
    """As events and histories name it."""
    tenant: str
    scopes: list[str]
    user: UserView | None
    """None: nobody has invited one."""
    teams: list[TeamView]
    """Its own, then the one that is within, and so on."""


async def me_of(context: Context, actor: Actor, user: type[Any] = UserView, team: type[Any] = TeamView) -> Me:
    """Returns it with these views of the user and of teams."""
    personal = context.disclosure_to(actor)
    async with context.database.read(actor.tenant) as connection:
        id = await _user(connection, actor)
        found: list[Any] = []
        if id is not None:
            it = Queries(_USERS, user, reach=EVERYONE, personal=personal)
            found.append(await it.one(connection, actor.tenant, id))
        within = await _teams(connection, actor.tenant, found[0].team_id) if found else []
        of = Queries(_TEAMS, team, reach=EVERYONE, personal=personal)
        known = await of.many(connection, actor.tenant, within) if within else {}
    return Me(actor.id, actor.tenant, sorted(actor.scopes), next(iter(found), None), [known[each] for each in within])


async def _user(connection: AsyncConnection, actor: Actor) -> Any:
    u, id = users.c, actors.user_id(actor.tenant, actor.subject)
    return await connection.scalar(select(u.id).where(u.tenant_id == actor.tenant, u.actor_id == id))


async def _teams(connection: AsyncConnection, tenant: str, id: Any) -> Sequence[Any]:
    t = teams.c
    own = select(t.id, t.parent_id, literal(0).label("steps")).where(t.tenant_id == tenant, t.id == id)
    above = own.cte("above", recursive=True)
    above = above.union_all(
        select(t.id, t.parent_id, above.c.steps + 1).where(t.tenant_id == tenant, t.id == above.c.parent_id)
    )
    return (await connection.scalars(select(above.c.id).order_by(above.c.steps))).all()


@router.get("/me", response_model=Me, operation_id="getMe", summary="Who asks")
async def get_me(request: Request, actor: Actor = ANYBODY) -> Response:
    """It needs no scope. The user's name and address are absent without the scope contacts:personal."""
    me = await me_of(context_of(request), actor)
    shown = {each.name: getattr(me, each.name) for each in fields(me)}
    if me.user is not None and not actor.sees_personal("contacts"):
        shown["user"] = {
            name: getattr(me.user, name) for name in USERS.view_fields if name not in USERS.personal_fields
        }
    return json_response(shown)


def queries_of(nodes: Mapping[str, Any]) -> Sequence[Any]:
    user_node, team_node = nodes["user"], nodes["team"]

    @strawberry.type(name="Me", description=WORDS)
    class MeNode(Me):
        user: user_node | None  # type: ignore[valid-type]
        teams: list[team_node]  # type: ignore[valid-type]

    @field(description=WORDS)
    async def me(info: Ctx) -> MeNode:
        context = info.context
        found = await me_of(context.service, context.actor, user_node, team_node)
        return MeNode(**{each.name: getattr(found, each.name) for each in fields(found)})

    return [me]


FEATURE = Feature(routers=[router], queries_of=queries_of)
