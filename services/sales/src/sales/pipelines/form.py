"""The form of a pipeline: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from sqlalchemy import TEXT, Boolean, Column, Integer
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import aggregate_table, values_column
from kith.nouns.inputs import UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, Resource
from kith.nouns.value_inputs import Values
from kith.scalars import Flag, Text
from sales.pipelines.checks import checks_of
from sales.pipelines.rules import Pipeline
from sales.pipelines.values import MOST_STAGES, PipelineStage
from sales.pipelines.versions import versions
from sales.tables import metadata

Stages = Annotated[list[PipelineStage], Values(MOST_STAGES)]


class CreatePipeline(NewInput):
    name: Text
    stages: Stages = Field(description="in order, without won and lost, which end every pipeline")
    is_default: Flag = Field(default=False, description="whether opportunities opened without a pipeline go through it")


class AmendPipeline(Amendment):
    name: Text = UNSENT
    stages: Stages = UNSENT
    is_default: Flag = UNSENT


pipelines = aggregate_table(
    "pipelines",
    metadata,
    Column("name", TEXT, nullable=False),
    values_column("stages", PipelineStage),
    Column("number", Integer, nullable=False),
    Column("is_default", Boolean, nullable=False),
    archivable=True,
)


async def can_be_so(connection: AsyncConnection, tenant: str, _: Sequence[Attempt]) -> Check:
    return await checks_of(connection, tenant, pipelines)


@dataclass(slots=True)
class PipelineView(ArchivableView):
    name: str
    stages: list[PipelineStage]
    number: int
    is_default: bool


PIPELINES = Resource(
    "pipeline",
    "pipelines",
    Pipeline,
    pipelines,
    PipelineView,
    (
        Command("create", CreatePipeline, Pipeline.create),
        Command("amend", AmendPipeline, Pipeline.amend),
        Command("archive", Archive, Pipeline.archive),
        Command("restore", Restore, Pipeline.restore, of_archived=True),
    ),
    unpublished={"name": "Words for people. Figures go by the id."},
    checks=can_be_so,
    supplies=versions,
    reference_data=True,
)
