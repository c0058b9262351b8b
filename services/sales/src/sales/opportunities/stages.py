"""The stages that the rules of a request are given: of the versions of pipelines that its opportunities go through, or
begin in, by one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, values_of
from kith.nouns.resource import Attempt
from sales.opportunities.rules import Opportunity
from sales.pipelines.form import pipelines
from sales.pipelines.values import NONE_DECLARED, Pipelines, PipelineVersion
from sales.tables import pipeline_versions


@dataclass(frozen=True)
class Given:
    pipelines: Pipelines

    def arguments(self, _: Input) -> Mapping[str, Any]:
        return {"pipelines": self.pipelines}

    def accepted(self, given: Input, record: Aggregate) -> None:
        """Nothing follows."""

    async def flush(self) -> None:
        """Nothing follows."""


async def stages(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Given:
    records = [record for _, record in asked if isinstance(record, Opportunity)]
    held = {(it.pipeline_id, it.pipeline_version) for it in records if it.pipeline_id is not None}
    named = values_of((given for given, _ in asked), "pipeline_id") | {id for id, _ in held}
    if len(records) == len(asked) and not named:
        return Given(NONE_DECLARED)
    p, v = pipelines.c, pipeline_versions.c
    is_default = and_(p.is_default, p.archived_at.is_(None))
    rows = (
        select(v.pipeline_id, v.number, v.stages, p.number.label("current"), is_default.label("is_default"))
        .join_from(pipelines, pipeline_versions, and_(v.tenant_id == p.tenant_id, v.pipeline_id == p.id))
        .where(
            p.tenant_id == tenant,
            or_(
                tuple_(v.pipeline_id, v.number).in_(held),
                and_(v.number == p.number, or_(p.id.in_(named), is_default)),
            ),
        )
        .order_by(p.created_at, p.id)
    )
    found = (await connection.execute(rows)).all()
    kept = {(row.pipeline_id, row.number): PipelineVersion(row.pipeline_id, row.number, row.stages) for row in found}
    current = [row for row in found if row.number == row.current]
    defaults = [kept[row.pipeline_id, row.number] for row in current if row.is_default]
    now = {row.pipeline_id: kept[row.pipeline_id, row.number] for row in current}
    return Given(Pipelines(kept, now, *defaults[:1]))
