"""Pipeline: the stages that a tenant's opportunities go through."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.pipelines import PipelineAmended, PipelineArchived, PipelineCreated, PipelineRestored
from kith.nouns.aggregate import Archivable
from sales.pipelines.values import CLOSED, PipelineStage

REQUIRABLE = (
    *("campaign", "competitors", "contacts", "expected_close", "next_step", "owner_id", "product_id"),
    *("source", "splits", "value"),
)
"""The fields of an opportunity that a stage may require, beside those that the tenant defines: all can be amended."""
_CUSTOM = re.compile(r"custom\..+")


@dataclass(kw_only=True, eq=False)
class Pipeline(Archivable):
    """The stages that opportunities go through, in order, until they are won or lost."""

    name: str
    stages: list[PipelineStage]
    number: int = 1
    """Of this version of its stages: those of before stay as they were, for the opportunities that began in them."""
    is_default: bool = False
    """Whether opportunities that are opened without a pipeline go through it."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, PipelineCreated]:
        it = cls(id=id, **fields)
        _check(it.stages)
        return it, PipelineCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> PipelineAmended:
        """Only the fields sent change. Stages are sent whole; they are a version with the next number."""
        self.ensure_not_before_last_change(at)
        if (stages := fields.get("stages", self.stages)) != self.stages:
            _check(stages)
            fields["number"] = self.number + 1
        return PipelineAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> PipelineArchived:
        """No opportunity begins in it until it is restored. Those that are in it go on."""
        self.put_away(at)
        return PipelineArchived()

    def restore(self, *, at: datetime) -> PipelineRestored:
        """Opportunities may begin in it again."""
        self.take_back(at)
        return PipelineRestored()


def _check(stages: Sequence[PipelineStage]) -> None:
    """Raises Invalid."""
    if not stages:
        raise Invalid("It has a stage at least.", field="stages")
    keys = set[str]()
    for place, each in enumerate(stages):
        if each.key in CLOSED:
            raise Invalid("won and lost end every pipeline: they are no stages.", field=f"stages.{place}.key")
        if each.key in keys:
            raise Invalid(f"Another stage has the key {each.key}.", field=f"stages.{place}.key")
        keys.add(each.key)
        for number, name in enumerate(each.required_fields):
            if name not in REQUIRABLE and not _CUSTOM.fullmatch(name):
                rule = f"A stage may require {', '.join(REQUIRABLE)}, or a field of your own as custom.code."
                raise Invalid(rule, field=f"stages.{place}.required_fields.{number}")
