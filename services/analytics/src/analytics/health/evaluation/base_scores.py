"""Scores all customers at an instant: each by the model that is for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import Floats, Ints, micros
from analytics.health.engine.columns import Unread
from analytics.health.engine.reads import assigned, unread_of
from analytics.health.engine.scoring import Bands, Scorer
from analytics.health.evaluation.what_if import BaseScores
from analytics.health.model.definition import HealthModel
from analytics.projections.snapshot import Reads
from kith.runtime.offload import Lane, offload


class _Pending(NamedTuple):
    """The customers that one model scores."""

    model: HealthModel
    model_index: int
    """The index of the model."""
    mine: Ints
    """The indexes of the customers."""
    unread: Unread


async def base_scores_of(
    reads: Reads,
    tenant: str,
    models: Sequence[HealthModel],
    indexes: dict[str, int],
    at: datetime,
    customers: Sequence[UUID],
    lane: Lane,
    *,
    known: tuple[str, BaseScores] | None = None,
) -> BaseScores:
    """Returns the scores of these customers. `indexes` are the models', by their ids. `customers` are in order of their
    ids. `known` are scores by models that are the same but for one, which it names: customers that another of them
    scores are not scored again."""
    instant, index_of = micros(at), {id: index for index, id in enumerate(customers)}
    found, pending = BaseScores.empty(len(customers)), list[_Pending]()
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
