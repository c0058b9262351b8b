"""The form of a team: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import TEXT, Column, ForeignKeyConstraint, Uuid, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.tables import metadata
from contacts.teams.rules import Team
from contacts.users.administrators import teams_in_use
from kith.db.one_at_a_time import one_at_a_time
from kith.db.tables import Moment, aggregate_table
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Attempt, Check, Command, One, Resource, View
from kith.scalars import Id, Text


class TeamInUse(Conflict):
    code = ErrorCode.TEAM_IN_USE


class CreateTeam(NewInput):
    name: Text
    parent_id: Id | None = None


class AmendTeam(Amendment):
    name: Text = UNSENT
    parent_id: Id | None = UNSENT


class RemoveTeam(Input):
    pass


teams = aggregate_table(
    "teams",
    metadata,
    Column("name", TEXT, nullable=False),
    # By name: the table it refers to is this one.
    Column("parent_id", Uuid),
    Column("removed_at", Moment),
    ForeignKeyConstraint(["tenant_id", "parent_id"], ["teams.tenant_id", "teams.id"]),
    listed_by=("parent_id",),
)


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that no team is within itself or within one that was removed, and that nobody is in a team that
    is removed."""
    await one_at_a_time(connection, tenant, "people")
    c = teams.c
    rows = await connection.execute(select(c.id, c.parent_id).where(c.tenant_id == tenant, c.removed_at.is_(None)))
    parents: dict[UUID, UUID | None] = {row.id: row.parent_id for row in rows}
    in_use = await teams_in_use(connection, tenant) if any(isinstance(each, RemoveTeam) for each, _ in asked) else set()

    def check(given: Input, team: Aggregate) -> None:
        assert isinstance(team, Team)
        if isinstance(given, RemoveTeam):
            if team.id in in_use or team.id in parents.values():
                raise TeamInUse(f"Team {team.id} has users or teams: move them first.")
            parents.pop(team.id, None)
            return
        above = team.parent_id
        if above is not None and above not in parents:
            raise Invalid(f"Team {above} was removed.", field="parent_id")
        while above is not None:
            if above == team.id:
                raise Invalid("A team is not within itself.", field="parent_id")
            above = parents[above]
        parents[team.id] = team.parent_id

    return check


@dataclass(slots=True)
class TeamView(View):
    name: str
    parent_id: UUID | None
    removed_at: datetime | None


TEAMS = Resource(
    "team",
    "teams",
    Team,
    teams,
    TeamView,
    (
        Command("create", CreateTeam, Team.create),
        Command("amend", AmendTeam, Team.amend),
        Command("remove", RemoveTeam, Team.remove),
    ),
    filters=("parent_id",),
    searched=("name",),
    relations=(One("parent", to="team", many="teams", words="The teams within it, newest first."),),
    unpublished={"name": "Words for people. Services go by the id."},
    reference_data=True,
    write_verb="admin",
    checks=can_be_so,
)
