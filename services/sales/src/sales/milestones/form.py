"""The form of a milestone: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Uuid

from kith.db.owned import owned_by
from kith.db.tables import Moment, aggregate_table, one_of, reference, values_column
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Command, Follows, One, Resource, Timer, View, personal
from kith.scalars import Code, Id, Instant, Text, Website
from sales.goals.form import Links, goals
from sales.goals.values import Link
from sales.milestones.rules import Milestone, MilestoneState
from sales.tables import CUSTOMER, USER, metadata


class CreateMilestone(NewInput):
    title: Text
    due_at: Instant
    customer_id: Id | None = Field(default=None, description="the goal's, if one is named")
    goal_id: Id | None = None
    owner_id: Id | None = None
    links: Links = Field(default_factory=list)


class AmendMilestone(Amendment):
    title: Text = UNSENT
    owner_id: Id | None = UNSENT
    links: Links = UNSENT


class MeetMilestone(Input):
    evidence: Website | None = Field(default=None, description="where it is to be seen; it becomes one of the links")


class MissMilestone(Input):
    pass


class MoveMilestone(Input):
    due_at: Instant


class DropMilestone(Input):
    reason: Code | None = None


milestones = aggregate_table(
    "milestones",
    metadata,
    Column("title", TEXT, comment="null: it was erased"),
    Column("due_at", Moment, nullable=False),
    *reference("goal_id", goals),
    Column("owner_id", Uuid),
    Column("state", one_of(MilestoneState), nullable=False),
    Column("met_at", Moment),
    Column("missed_at", Moment),
    Column("reason", TEXT),
    values_column("links", Link),
    customer_owned=True,
    listed_by=("goal_id", "owner_id", "state", "due_at"),
)
owned_by(milestones, "owner_id")


@dataclass(slots=True)
class MilestoneView(View):
    customer_id: UUID | None
    goal_id: UUID | None
    owner_id: UUID | None
    due_at: datetime
    state: MilestoneState
    met_at: datetime | None
    missed_at: datetime | None
    reason: str | None
    title: str | None = personal()
    links: list[Link] | None = personal()


MILESTONES = Resource(
    "milestone",
    "milestones",
    Milestone,
    milestones,
    MilestoneView,
    (
        Command("create", CreateMilestone, Milestone.create),
        Command("amend", AmendMilestone, Milestone.amend),
        Command("meet", MeetMilestone, Milestone.meet),
        Command("miss", MissMilestone, Milestone.miss),
        Command("move", MoveMilestone, Milestone.move),
        Command("drop", DropMilestone, Milestone.drop),
    ),
    filters=("customer_id", "goal_id", "owner_id", "state", "due_at"),
    searched=("title",),
    timers=(Timer("miss", at="next_miss"),),
    follows={
        "customer_id": CUSTOMER,
        "owner_id": USER,
        "goal_id": Follows(goals.c.id, ("customer_id",)),
    },
    relations=(
        One("customer", many="milestones"),
        One("goal", many="milestones"),
        One("owner", to="user", many="milestones"),
    ),
)
