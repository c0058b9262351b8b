"""Scores: a number per customer, by a model, at the end of each period."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.measure import Score
from analytics.queries.measures.asked import Asked, Cells, Member, Weighed
from kith.queries import Position


async def cells(connection: AsyncConnection, asked: Asked, measures: Sequence[Score]) -> Cells:
    raise NotImplementedError


async def members(
    connection: AsyncConnection, asked: Asked, terms: Sequence[Weighed], after: Position | None, first: int
) -> list[Member]:
    raise NotImplementedError
