"""What the rules of a pipeline cannot see: the tenant's other pipelines, and the fields that it defines."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.custom.known import fields_of
from kith.db.one_at_a_time import one_at_a_time
from kith.errors import Conflict, Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from sales.pipelines.rules import Pipeline


@dataclass
class Checks:
    """That there is one default pipeline, and that stages require no field which nobody can set."""

    defaults: set[UUID]
    custom: Collection[str]
    """The codes of the tenant's fields of opportunities that values are written of."""

    def __call__(self, given: Input, record: Aggregate) -> None:
        assert isinstance(record, Pipeline)
        if getattr(given, "stages", None) is not None:
            self._are_defined(record)
        is_default = record.is_default and record.archived_at is None
        if is_default and (others := self.defaults - {record.id}):
            raise Conflict(f"Pipeline {min(others)} is the default already.", field="is_default")
        (self.defaults.add if is_default else self.defaults.discard)(record.id)

    def _are_defined(self, pipeline: Pipeline) -> None:
        for place, each in enumerate(pipeline.stages):
            for number, name in enumerate(each.required_fields):
                _, _, code = name.partition(".")
                if code and code not in self.custom:
                    known = ", ".join(sorted(self.custom)) or "none"
                    raise Invalid(
                        f"There is no such field of an opportunity. There are: {known}. One that was defined just now "
                        "may not have arrived here yet: send it again in a moment.",
                        field=f"stages.{place}.required_fields.{number}",
                    )


async def checks_of(connection: AsyncConnection, tenant: str, pipelines: Table) -> Checks:
    await one_at_a_time(connection, tenant, "pipelines")
    c = pipelines.c
    defaults = select(c.id).where(c.tenant_id == tenant, c.is_default, c.archived_at.is_(None))
    defined = (await fields_of(connection, tenant, anew=True)).of("opportunity")
    custom = {code for code, each in defined.items() if not each.archived}
    return Checks(set(await connection.scalars(defaults)), custom)
