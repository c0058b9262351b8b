"""What a model would change if it were published, over the whole base: everybody is scored as now, and as then."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health import whatif
from analytics.domain.health.explain import Explanation
from analytics.domain.health.model import HealthModel
from analytics.domain.health.statistics import Ints
from analytics.domain.health.whatif import Mover, Standing, WhatIfReport
from analytics.queries.attributes import AT_A_TIME, attributes_of
from analytics.queries.health import explanations
from analytics.queries.standing import standing_of
from analytics.storage.health import customers_of
from analytics.storage.models import models_of, with_model

Progress = Callable[[int, int], Awaitable[None]]


class Compared(NamedTuple):
    """Everybody whom a model scores, before or after; in order of the ids."""

    customers: list[UUID]
    before: Standing
    after: Standing
    segment: Ints
    """Place among the names."""
    names: list[str | None]


async def what_if(
    connection: AsyncConnection, tenant: str, model: HealthModel, at: datetime, progress: Progress
) -> WhatIfReport:
    """At an instant, by the models in force now, and by these with the model among them. Progress is in customers.
    All is read on one connection: a snapshot tells of everybody at once."""
    models = await models_of(connection, tenant)
    then = with_model(models, model)
    places = {each.id: place for place, each in enumerate(then)}
    found = await compared(connection, tenant, model, at, progress)
    cut = found.segment, found.names
    report = await asyncio.to_thread(whatif.report, at, model.id, places[model.id], found.before, found.after, cut)
    movers = [found.customers[place] for place in whatif.biggest_movers(found.before, found.after).tolist()]
    why = await explanations(connection, tenant, movers, at, models)
    why_then = await explanations(connection, tenant, movers, at, then)
    report.sample = [_mover(id, why[id], why_then[id]) for id in movers]
    return report


async def compared(
    connection: AsyncConnection, tenant: str, model: HealthModel, at: datetime, progress: Progress
) -> Compared:
    models = await models_of(connection, tenant)
    then = with_model(models, model)
    places = {each.id: place for place, each in enumerate(then)}
    everybody = await customers_of(connection, tenant)
    befores, afters, of_segment, segments = [], [], list[int](), dict[str | None, int]()
    for start in range(0, len(everybody), AT_A_TIME):
        some = everybody[start : start + AT_A_TIME]
        before = await standing_of(connection, tenant, models, places, at, some)
        befores.append(before)
        afters.append(await standing_of(connection, tenant, then, places, at, some, known=(model.id, before)))
        told = await attributes_of(connection, tenant, at, ("segment",), some)
        of_segment += [segments.setdefault(told.get(id, (None,))[0], len(segments)) for id in some]
        await progress(start + len(some), len(everybody))
    whole_before, whole_after = Standing.whole(befores), Standing.whole(afters)
    # One that stands for many is scored by no model.
    scored = (whole_before.model >= 0) | (whole_after.model >= 0)
    return Compared(
        [everybody[place] for place in np.flatnonzero(scored).tolist()],
        whole_before.those(scored),
        whole_after.those(scored),
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


def _parts(told: Explanation) -> dict[str, float]:
    return {} if told.score is None else {each.measure.id: each.contribution for each in told.contributions}
