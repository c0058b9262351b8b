"""Reads the distribution of the tenant's health, grouped by attributes of its customers' records.

A base of up to MOST customers is scored on demand, at any instant. A larger one is counted by stored scores: bands are
right to the second, scores are as of the last scoring; a job computes the past. Of a base that is a part of the
tenant's, the customers within a limited reach, FEW are scored on demand.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import ARRAY, ColumnElement, Double, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.reads import MANY, everybody_of, number_of_customers
from analytics.health.evaluation.base_scores import base_scores_of
from analytics.health.evaluation.distribution import NO_CUSTOMERS, Distribution, Groups, distributions, with_trend
from analytics.health.evaluation.what_if import BaseScores, Counts
from analytics.health.model.definition import Band, HealthModel
from analytics.health.model.timeline import models_of
from analytics.health.scores.tables import health_scores
from analytics.projections.attributes import attributes_of
from analytics.projections.facts import types_of
from analytics.projections.fields import field_of
from analytics.projections.owners import ids_within, of_reach
from analytics.projections.snapshot import Reads
from analytics.projections.tables import customer_owners, facts, merged_customers
from kith.errors import Invalid
from kith.reach import Reach
from kith.runtime.offload import LIVE, Lane, offload

Progress = Callable[[int, int], Awaitable[None]]
MOST, FEW = 10_000, MANY
"""Few, because above this number facts are read by the range of ids, which is everybody's."""
BEFORE = timedelta(days=30)
_QUARTERS = literal([0.25, 0.5, 0.75], ARRAY(Double))


class By(StrEnum):
    SEGMENT = "segment"
    OWNER = "owner"
    TIER = "tier"
    TAG = "tag"
    """A customer counts under each of its tags."""
    MODEL = "model"


class Source(StrEnum):
    COMPUTED = "computed"
    """Computed from the facts, at that very instant."""
    STORED = "stored"
    """The stored scores, as of the last scoring."""


@dataclass(slots=True)
class HealthDistribution:
    at: datetime
    source: Source
    whole: Distribution
    groups: list[Distribution]
    """By the grouping, most customers first."""


async def distribution(
    reads: Reads, tenant: str, reach: Reach, by: By | None, at: datetime | None, now: datetime
) -> HealthDistribution:
    """Returns the distribution. Raises Invalid for an instant of a base that is too large to be scored on demand."""
    async with reads() as connection:
        if reach.is_limited:
            found = ids_within(tenant, reach).order_by(customer_owners.c.id).limit(FEW + 1)
            ids = list(await connection.scalars(found))
            number, most, job = len(ids), FEW, ""
        else:
            ids, most, job = None, MOST, ", or ask for it as a job: POST /v1/health:distribution"
            number = await number_of_customers(connection, tenant, MOST + 1)
        if number > most:
            if at is not None:
                rule = f"There are over {most} customers; so many are scored when asked. Leave out `at`{job}."
                raise Invalid(rule, field="at")
            return await stored(connection, tenant, reach, by, now)
    return await computed(reads, tenant, by, at or now, LIVE, customers=ids)


async def computed(
    reads: Reads,
    tenant: str,
    by: By | None,
    at: datetime,
    lane: Lane,
    progress: Progress | None = None,
    *,
    customers: Sequence[UUID] | None = None,
) -> HealthDistribution:
    """Computes it by the models in force at the instant, with the change over 30 days: by those of then. Of everybody,
    or of some customers in order of their ids."""
    async with reads() as connection:
        in_force = [await models_of(connection, tenant, instant) for instant in (at, at - BEFORE)]
        total = await number_of_customers(connection, tenant) if progress is not None else 0
    now, then, done = _Counted(), _Counted(), 0
    async for some in everybody_of(reads, tenant) if customers is None else _one_piece(customers):
        for counted, instant, models in ((now, at, in_force[0]), (then, at - BEFORE, in_force[1])):
            indexes = {model.id: index for index, model in enumerate(models)}
            part = await base_scores_of(reads, tenant, models, indexes, instant, some, lane)
            async with reads() as connection:
                counted.add(part, await _groups(connection, tenant, by, instant, some, models, part))
        done += len(some)
        if progress is not None:
            await progress(done, max(total, done))
    return await offload(_whole, at, now, then, lane=lane)


async def _one_piece(customers: Sequence[UUID]) -> AsyncIterator[Sequence[UUID]]:
    if customers:
        yield customers


@dataclass
class _Counted:
    """The scores of all customers at an instant, collected piece by piece, and their groups."""

    parts: list[BaseScores] = field(default_factory=list)
    members: dict[str | None, list[int]] = field(default_factory=dict)
    number: int = 0

    def add(self, part: BaseScores, groups: Sequence[tuple[int, Sequence[str | None]]]) -> None:
        self.parts.append(part)
        for index, names in groups:
            for name in names:
                self.members.setdefault(name, []).append(self.number + index)
        self.number += len(part.score)

    def distributions(self) -> tuple[list[Distribution], list[Distribution]]:
        """Returns the whole, and the groups."""
        scores = BaseScores.whole(self.parts)
        scored = scores.model >= 0  # one that stands for many is scored by no model
        groups: Groups = {
            name: np.array([each for each in ids if scored[each]], np.int64) for name, ids in self.members.items()
        }
        whole = distributions(scores, {None: np.flatnonzero(scored)})
        return whole or [NO_CUSTOMERS], distributions(scores, groups)


def _whole(at: datetime, now: _Counted, then: _Counted) -> HealthDistribution:
    (whole,), groups = (with_trend(*both) for both in zip(now.distributions(), then.distributions(), strict=True))
    return HealthDistribution(at, Source.COMPUTED, whole, groups)


async def _groups(
    connection: AsyncConnection,
    tenant: str,
    by: By | None,
    at: datetime,
    customers: Sequence[UUID],
    models: Sequence[HealthModel],
    scores: BaseScores,
) -> list[tuple[int, Sequence[str | None]]]:
    if by is None:
        return []
    if by is By.MODEL:
        return [(index, (models[model].id,)) for index, model in enumerate(scores.model.tolist()) if model >= 0]
    attributes = await attributes_of(connection, tenant, at, ("tags" if by is By.TAG else by.value,), customers)
    found: list[tuple[int, Sequence[str | None]]] = []
    for index, id in enumerate(customers):
        (said,) = attributes.get(id, (None,))
        found.append((index, (said or (None,)) if by is By.TAG else (said,)))
    return found


async def stored(
    connection: AsyncConnection, tenant: str, reach: Reach, by: By | None, now: datetime
) -> HealthDistribution:
    whole = await _stored(connection, tenant, reach, None)
    groups = await _stored(connection, tenant, reach, by) if by is not None else []
    return HealthDistribution(now, Source.STORED, whole[0] if whole else NO_CUSTOMERS, groups)


async def _stored(connection: AsyncConnection, tenant: str, reach: Reach, by: By | None) -> list[Distribution]:
    s, record = health_scores.c, facts.alias("record")
    source: Any = health_scores
    group: ColumnElement[Any] = literal(None)
    if by is By.MODEL:
        group = s.model
    elif by is not None:
        is_its = (
            (record.c.tenant_id == tenant)
            & (record.c.subject == s.customer_id)
            & record.c.type.in_(types_of("contacts.customer"))
            & or_(record.c.until.is_(None), record.c.until >= func.now())
        )
        source = source.outerjoin(record, is_its)
        if by is By.TAG:
            tags = func.jsonb_array_elements_text(record.c.state["tags"]).table_valued("tag").render_derived()
            each = tags.lateral("tags")
            source, group = source.outerjoin(each, true()), each.c.tag
        else:
            group = field_of(record, by.value)
    # Its record is that of its survivor.
    m = merged_customers.c
    merged = select(m.customer_id).where(m.tenant_id == tenant, m.into.is_not(None))
    bands = [func.count().filter(s.band == band) for band in Band]
    quartiles = func.percentile_cont(_QUARTERS).within_group(s.score)
    rows = await connection.execute(
        select(
            group, func.count(), *bands, func.count().filter(s.band.is_(None)), func.avg(s.score), quartiles,
            func.avg(s.coverage),
        )
        .select_from(source)
        .where(s.tenant_id == tenant, s.model.is_not(None), s.customer_id.not_in(merged))
        .where(*of_reach(tenant, reach, s.customer_id))
        .group_by(group)
        .order_by(func.count().desc())
    )  # fmt: skip
    return [
        Distribution(name, number, Counts(*each), mean, *_three(quarters), coverage, None)
        for name, number, *each, mean, quarters, coverage in rows
    ]


def _three(quartiles: Sequence[float] | None) -> tuple[float | None, float | None, float | None]:
    """Returns the shares of the three bands; None without any score."""
    if quartiles is None:
        return None, None, None
    lower, median, upper = quartiles
    return lower, median, upper
