"""How many customers stand at an instant: each scored by the model that is for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import Floats, Ints, micros
from analytics.health.engine.columns import Unread
from analytics.health.engine.reads import assigned, unread_of
from analytics.health.engine.scoring import Bands, Scorer
from analytics.health.evaluation.what_if import Standing
from analytics.health.model.definition import HealthModel
from analytics.projections.snapshot import Reads
from kith.runtime.offload import Lane, offload


class _Pending(NamedTuple):
    """Those whom one model scores."""

    model: HealthModel
    model_index: int
    """Of the model."""
    mine: Ints
    """Their indexes."""
    unread: Unread


async def standing_of(
    reads: Reads,
    tenant: str,
    models: Sequence[HealthModel],
    indexes: dict[str, int],
    at: datetime,
    customers: Sequence[UUID],
    lane: Lane,
    *,
    known: tuple[str, Standing] | None = None,
) -> Standing:
    """`indexes` are the models', by their ids. `customers` are in order of their ids. `known` is how they stand
    by models that are the same but for one, which it names: who is scored by another of them is not scored again."""
    instant, index_of = micros(at), {id: index for index, id in enumerate(customers)}
    found, pending = Standing.empty(len(customers)), list[_Pending]()
    async with reads() as connection:
        for model, theirs in await assigned(connection, tenant, models, instant, customers):
            mine = np.array([index_of[id] for id in theirs], np.int64)
            if known is not None and model.id != known[0]:
                same = mine[known[1].model[mine] == indexes[model.id]]
                found.take(same, known[1])
                mine = np.setdiff1d(mine, same)
            if mine.size:
                some = [customers[index] for index in mine.tolist()]
                unread = await unread_of(connection, tenant, [model], some, some)
                pending.append(_Pending(model, indexes[model.id], mine, unread))
    scored = await offload(_scored, [(each.model, each.unread) for each in pending], instant, lane=lane)
    for each, (score, bands, coverage) in zip(pending, scored, strict=True):
        found.model[each.mine], found.band[each.mine] = each.model_index, bands
        found.score[each.mine], found.coverage[each.mine] = score, coverage
    return found


def _scored(pending: Sequence[tuple[HealthModel, Unread]], at: int) -> list[tuple[Floats, Bands, Floats]]:
    found = []
    for model, unread in pending:
        scorer = Scorer(model, unread.bases()[0])
        scored = scorer.score(at)
        found.append((scored.score, scorer.bands(at, score=scored.score), scored.coverage))
    return found
