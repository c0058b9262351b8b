"""The versions of pipelines. One is written with each change of the stages, and is never changed itself: opportunities
go through the stages of the version that they began in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from kith.nouns.resource import Attempt
from sales.pipelines.rules import Pipeline
from sales.tables import pipeline_versions


@dataclass
class Versions:
    """Those that a request makes."""

    connection: AsyncConnection
    tenant: str
    made: list[dict[str, Any]] = field(default_factory=list)

    def arguments(self, _: Input) -> Mapping[str, Any]:
        return {}

    def accepted(self, _: Input, record: Aggregate) -> None:
        assert isinstance(record, Pipeline)
        of_it = {"tenant_id": self.tenant, "pipeline_id": record.id, "number": record.number}
        self.made.append(of_it | {"stages": record.stages})

    async def flush(self) -> None:
        if self.made:
            await self.connection.execute(insert(pipeline_versions).on_conflict_do_nothing(), self.made)


async def versions(connection: AsyncConnection, tenant: str, _: Sequence[Attempt]) -> Versions:
    return Versions(connection, tenant)


@dataclass
class OneDefault:
    """Refuses another default pipeline than the one that there is."""

    defaults: set[UUID]

    def __call__(self, _: Input, record: Aggregate) -> None:
        assert isinstance(record, Pipeline)
        is_default = record.is_default and record.archived_at is None
        if is_default and (others := self.defaults - {record.id}):
            raise Conflict(f"Pipeline {min(others)} is the default already.", field="is_default")
        (self.defaults.add if is_default else self.defaults.discard)(record.id)


async def one_default(connection: AsyncConnection, tenant: str, pipelines: Table) -> OneDefault:
    c = pipelines.c
    defaults = select(c.id).where(c.tenant_id == tenant, c.is_default, c.archived_at.is_(None))
    return OneDefault(set(await connection.scalars(defaults)))
