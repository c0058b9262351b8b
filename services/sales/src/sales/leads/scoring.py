"""What leads are scored by: given to the rules of a request, by one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from kith.nouns.resource import Attempt
from sales.lead_scoring.form import scoring_of
from sales.lead_scoring.values import NOT_SCORED, Scoring


@dataclass(frozen=True)
class Scored:
    scoring: Scoring

    def arguments(self, _: Input) -> Mapping[str, Any]:
        return {"scoring": self.scoring}

    def accepted(self, given: Input, record: Aggregate) -> None:
        """Nothing follows."""

    async def flush(self) -> None:
        """Nothing follows."""


async def scoring(
    connection: AsyncConnection, tenant: str, asked: Sequence[Attempt], by: tuple[type[Input], ...]
) -> Scored:
    """`by`: the inputs after which a lead has another score."""
    wanted = any(isinstance(given, by) for given, _ in asked)
    return Scored(await scoring_of(connection, tenant) if wanted else NOT_SCORED)
