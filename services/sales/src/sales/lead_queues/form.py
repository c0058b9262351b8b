"""The form of a lead queue: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, BigInteger, Boolean, Column, Uuid

from kith.db.tables import aggregate_table
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, Resource
from kith.scalars import Code, Flag, Id
from sales.lead_queues.rules import LeadQueue
from sales.tables import metadata

Members = Annotated[list[Id], Field(min_length=1, max_length=200), AS_SET]


class CreateLeadQueue(NewInput):
    code: Code
    members: Members = Field(description="users, who are given leads in turn, or take them")
    gives_out: Flag = Field(default=True, description="whether it gives leads out in turn; else members take them")


class AmendLeadQueue(Amendment):
    code: Code = UNSENT
    members: Members = UNSENT
    gives_out: Flag = UNSENT


lead_queues = aggregate_table(
    "lead_queues",
    metadata,
    Column("code", TEXT, nullable=False),
    Column("members", ARRAY(Uuid), nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("gives_out", Boolean, nullable=False, server_default="true"),
    archivable=True,
)


@dataclass(slots=True)
class LeadQueueView(ArchivableView):
    code: str
    members: list[UUID]
    gives_out: bool


LEAD_QUEUES = Resource(
    "lead_queue",
    "lead_queues",
    LeadQueue,
    lead_queues,
    LeadQueueView,
    (
        Command("create", CreateLeadQueue, LeadQueue.create),
        Command("amend", AmendLeadQueue, LeadQueue.amend),
        Command("archive", Archive, LeadQueue.archive),
        Command("restore", Restore, LeadQueue.restore, of_archived=True),
    ),
    unpublished={"turn": "It goes on with every lead that is given out, without a command."},
    reference_data=True,
)
