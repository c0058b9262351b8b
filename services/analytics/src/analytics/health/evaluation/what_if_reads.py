"""Reads what a model would change if it were published, over the whole base: all customers are scored as now, and as
they would be."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.reads import everybody_of, number_of_customers
from analytics.health.evaluation import what_if as whatif
from analytics.health.evaluation.base_scores import base_scores_of
from analytics.health.evaluation.statistics import Ints
from analytics.health.evaluation.what_if import BaseScores, Mover, WhatIfReport
from analytics.health.explain.contributions import Explanation
from analytics.health.explain.reads import explanations
from analytics.health.model.definition import HealthModel
from analytics.health.model.timeline import models_of, with_model
from analytics.projections.attributes import attributes_of
from analytics.projections.snapshot import Reads
from kith.runtime.offload import BACKGROUND, offload

Progress = Callable[[int, int], Awaitable[None]]


class Compared(NamedTuple):
    """All customers that a model scores, before or after, in order of the ids."""

    customers: list[UUID]
    before: BaseScores
    after: BaseScores
    segment: Ints
    """The index among the names."""
    names: list[str | None]


async def what_if(reads: Reads, tenant: str, model: HealthModel, at: datetime, progress: Progress) -> WhatIfReport:
    """Compares, at an instant, the models in force now with these and the model among them. Progress is in customers.
    Events that are recorded meanwhile may be visible to one piece and not to another."""
    async with reads() as connection:
        models = await models_of(connection, tenant)
    then = with_model(models, model)
    indexes = {each.id: index for index, each in enumerate(then)}
    found = await compared(reads, tenant, model, at, progress)
    cut = found.segment, found.names
    report = await offload(
        whatif.report, at, model.id, indexes[model.id], found.before, found.after, cut, lane=BACKGROUND
    )
    movers = [found.customers[index] for index in whatif.biggest_movers(found.before, found.after).tolist()]
    async with reads() as connection:
        why = await explanations(connection, tenant, movers, at, models)
        why_then = await explanations(connection, tenant, movers, at, then)
    report.sample = [_mover(id, why[id], why_then[id]) for id in movers]
    return report


async def compared(reads: Reads, tenant: str, model: HealthModel, at: datetime, progress: Progress) -> Compared:
    async with reads() as connection:
        models = await models_of(connection, tenant)
        total = await number_of_customers(connection, tenant)
    then = with_model(models, model)
    indexes = {each.id: index for index, each in enumerate(then)}
    everybody, of_segment, segments = list[UUID](), list[int](), dict[str | None, int]()
    befores, afters = [], []
    async for some in everybody_of(reads, tenant):
        before = await base_scores_of(reads, tenant, models, indexes, at, some, BACKGROUND)
        befores.append(before)
        known = model.id, before
        afters.append(await base_scores_of(reads, tenant, then, indexes, at, some, BACKGROUND, known=known))
        async with reads() as connection:
            attributes = await attributes_of(connection, tenant, at, ("segment",), some)
        of_segment += [segments.setdefault(attributes.get(id, (None,))[0], len(segments)) for id in some]
        everybody += some
        await progress(len(everybody), max(total, len(everybody)))
    whole_before, whole_after = BaseScores.whole(befores), BaseScores.whole(afters)
    # One that stands for many is scored by no model.
    scored = (whole_before.model >= 0) | (whole_after.model >= 0)
    return Compared(
        [everybody[index] for index in np.flatnonzero(scored).tolist()],
        whole_before.where(scored),
        whole_after.where(scored),
        np.array(of_segment, np.int64)[scored],
        list(segments),
    )


def _mover(id: UUID, before: Explanation, after: Explanation) -> Mover:
    return Mover(
        customer_id=id,
        from_band=before.band,
        to_band=after.band,
        before=before.score,
        after=after.score,
        model_before=before.model.id if before.model else None,
        model_after=after.model.id if after.model else None,
        drivers=whatif.drivers(_parts(before), _parts(after)),
    )


def _parts(explanation: Explanation) -> dict[str, float]:
    return (
        {} if explanation.score is None else {each.measure.id: each.contribution for each in explanation.contributions}
    )
