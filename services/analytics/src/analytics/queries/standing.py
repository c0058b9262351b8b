"""How many customers stand at an instant: each scored by the model that is for it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health.base import micros
from analytics.domain.health.model import HealthModel
from analytics.domain.health.scoring import Bands, Scored, Scorer
from analytics.domain.health.whatif import Standing
from analytics.storage.health import assigned, base_of


async def standing_of(
    connection: AsyncConnection,
    tenant: str,
    models: Sequence[HealthModel],
    places: dict[str, int],
    at: datetime,
    customers: Sequence[UUID],
    *,
    known: tuple[str, Standing] | None = None,
) -> Standing:
    """Models are told by their `places`, by their ids. `customers` are in order of their ids. `known` is how they stand
    by models that are the same but for one, which it names: who is scored by another of them is not scored again."""
    instant, place_of = micros(at), {id: place for place, id in enumerate(customers)}
    found = Standing.empty(len(customers))
    for model, theirs in await assigned(connection, tenant, models, instant, customers):
        mine = np.array([place_of[id] for id in theirs], np.int64)
        if known is not None and model.id != known[0]:
            same = mine[known[1].model[mine] == places[model.id]]
            found.take(same, known[1])
            mine = np.setdiff1d(mine, same)
        if not mine.size:
            continue
        base = await base_of(connection, tenant, model, [customers[place] for place in mine.tolist()])
        scored, bands = await asyncio.to_thread(_scored, Scorer(model, base), instant)
        found.model[mine], found.band[mine] = places[model.id], bands
        found.score[mine], found.coverage[mine] = scored.score, scored.coverage
    return found


def _scored(scorer: Scorer, at: int) -> tuple[Scored, Bands]:
    scored = scorer.score(at)
    return scored, scorer.bands(at, score=scored.score)
