"""The versions of pipelines. One is written with each change of the stages, and is never changed itself: opportunities
go through the stages of the version that they began in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

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
