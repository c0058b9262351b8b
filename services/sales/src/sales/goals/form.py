"""The form of a goal: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Uuid

from kith.db.owned import owned_by
from kith.db.tables import Moment, aggregate_table, one_of, values_column
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Command, One, Resource, View, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Id, Instant, Text, Website
from sales.goals.rules import Goal, GoalState
from sales.goals.values import MOST_LINKS, Link, SharedResult
from sales.tables import CUSTOMER, USER, metadata

Links = Annotated[list[Link], Values(MOST_LINKS)]


class CreateGoal(NewInput):
    title: Text
    target: Text | None = Field(default=None, description="what is measured, and how much of it is the goal, in words")
    customer_id: Id | None = None
    owner_id: Id | None = None
    due_at: Instant | None = None
    links: Links = Field(default_factory=list)


class AmendGoal(Amendment):
    title: Text = UNSENT
    target: Text | None = UNSENT
    owner_id: Id | None = UNSENT
    due_at: Instant | None = UNSENT
    links: Links = UNSENT


class ShareGoalResult(Input):
    result: Text
    url: Website | None = None


class AchieveGoal(Input):
    pass


class DropGoal(Input):
    reason: Code | None = None


class ReopenGoal(Input):
    pass


goals = aggregate_table(
    "goals",
    metadata,
    Column("title", TEXT, comment="null: it was erased"),
    Column("target", TEXT),
    Column("owner_id", Uuid),
    Column("due_at", Moment),
    Column("state", one_of(GoalState), nullable=False),
    Column("reason", TEXT),
    Column("closed_at", Moment),
    values_column("links", Link),
    values_column("results", SharedResult),
    customer_owned=True,
    listed_by=("owner_id", "state", "due_at"),
)
owned_by(goals, "owner_id")


@dataclass(slots=True)
class GoalView(View):
    customer_id: UUID | None
    owner_id: UUID | None
    due_at: datetime | None
    state: GoalState
    reason: str | None
    closed_at: datetime | None
    title: str | None = personal()
    target: str | None = personal()
    links: list[Link] | None = personal()
    results: list[SharedResult] | None = personal()


GOALS = Resource(
    "goal",
    "goals",
    Goal,
    goals,
    GoalView,
    (
        Command("create", CreateGoal, Goal.create),
        Command("amend", AmendGoal, Goal.amend),
        Command("share_result", ShareGoalResult, Goal.share_result),
        Command("achieve", AchieveGoal, Goal.achieve),
        Command("drop", DropGoal, Goal.drop),
        Command("reopen", ReopenGoal, Goal.reopen),
    ),
    filters=("customer_id", "owner_id", "state", "due_at"),
    searched=("title",),
    follows={"customer_id": CUSTOMER, "owner_id": USER},
    relations=(One("customer", many="goals"), One("owner", to="user", many="goals")),
)
