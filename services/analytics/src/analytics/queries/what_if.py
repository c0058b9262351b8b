"""What a model would change if it were published, over the whole base: everybody is scored as now, and as then."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health import whatif
from analytics.domain.health.base import micros
from analytics.domain.health.explain import Explanation
from analytics.domain.health.model import HealthModel
from analytics.domain.health.scoring import NOBODYS, Scorer
from analytics.domain.health.statistics import Floats
from analytics.domain.health.whatif import Bands, Mover, Standing, WhatIfReport
from analytics.queries.attributes import AT_A_TIME, attributes_of
from analytics.queries.health import explanations
from analytics.queries.models import models_of, with_model
from analytics.storage.health import assigned, base_of, customers_of

Progress = Callable[[int, int], Awaitable[None]]


async def what_if(
    connection: AsyncConnection, tenant: str, model: HealthModel, at: datetime, progress: Progress
) -> WhatIfReport:
    """At an instant, by the models in force now, and by these with the model among them. Progress is in customers.
    All is read on one connection: a snapshot tells of everybody at once."""
    models = await models_of(connection, tenant)
    then = with_model(models, model)
    everybody = await customers_of(connection, tenant)
    places = {each.id: place for place, each in enumerate(then)}
    befores, afters, of_segment, segments = [], [], [], dict[str | None, int]()
    for start in range(0, len(everybody), AT_A_TIME):
        some = everybody[start : start + AT_A_TIME]
        before = await _standing(connection, tenant, models, places, at, some)
        after = await _standing(connection, tenant, then, places, at, some, known=(model.id, before))
        told = await attributes_of(connection, tenant, at, ("segment",), some)
        of_segment += [segments.setdefault(told.get(id, (None,))[0], len(segments)) for id in some]
        befores.append(before)
        afters.append(after)
        await progress(start + len(some), len(everybody))
    before, after = _all(befores), _all(afters)
    # One that stands for many is scored by no model.
    scored = (before.model >= 0) | (after.model >= 0)
    customers = [everybody[place] for place in np.flatnonzero(scored).tolist()]
    before, after = before.those(scored), after.those(scored)
    cut = np.array(of_segment, np.int64)[scored], list(segments)
    report = await asyncio.to_thread(whatif.report, at, model.id, places[model.id], before, after, cut)
    movers = [customers[place] for place in whatif.biggest_movers(before, after).tolist()]
    why = await explanations(connection, tenant, movers, at, models)
    why_then = await explanations(connection, tenant, movers, at, then)
    report.sample = [_mover(id, why[id], why_then[id]) for id in movers]
    return report


async def _standing(
    connection: AsyncConnection,
    tenant: str,
    models: Sequence[HealthModel],
    places: dict[str, int],
    at: datetime,
    customers: Sequence[UUID],
    *,
    known: tuple[str, Standing] | None = None,
) -> Standing:
    """`known` is how they stand by models that are the same but for one: it is not computed twice."""
    instant, place_of = micros(at), {id: place for place, id in enumerate(customers)}
    found = Standing(
        np.full(len(customers), np.nan), np.full(len(customers), NOBODYS, np.int8), np.full(len(customers), -1)
    )
    for model, theirs in await assigned(connection, tenant, models, instant, customers):
        mine = np.array([place_of[id] for id in theirs], np.int64)
        found.model[mine] = places[model.id]
        if known is not None and model.id != known[0]:
            same = known[1].model[mine] == places[model.id]
            there = mine[same]
            found.score[there], found.band[there] = known[1].score[there], known[1].band[there]
            mine = mine[~same]
        if not mine.size:
            continue
        base = await base_of(connection, tenant, model, [customers[place] for place in mine.tolist()])
        found.score[mine], found.band[mine] = await asyncio.to_thread(_scored, Scorer(model, base), instant)
    return found


def _scored(scorer: Scorer, at: int) -> tuple[Floats, Bands]:
    score = scorer.score(at).score
    return score, scorer.bands(at, score=score)


def _all(parts: Sequence[Standing]) -> Standing:
    if not parts:
        return Standing(np.zeros(0), np.zeros(0, np.int8), np.zeros(0, np.int64))
    return Standing(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _mover(id: UUID, before: Explanation, after: Explanation) -> Mover:
    return Mover(
        customer_id=id,
        from_band=before.band,
        to_band=after.band,
        before=before.score,
        after=after.score,
        model_before=before.model.id,
        model_after=after.model.id,
        drivers=whatif.drivers(_parts(before), _parts(after)),
    )


def _parts(told: Explanation) -> dict[str, float]:
    return {} if told.score is None else {each.measure.id: each.contribution for each in told.contributions}
