"""A customer's health as a view: the score, and its explanation."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.base import micros, moment
from analytics.health.engine.reads import facts_of
from analytics.health.explain.contributions import TREND_DAYS, Contribution, Explanation, explained
from analytics.health.model.assignment import Models
from analytics.health.model.definition import DAY, Band, HealthModel
from analytics.health.model.inputs import input_of
from analytics.health.wording.words import Words


@dataclass(slots=True)
class ContributionView:
    """`contribution` is this measure's part of the score, which they add up to; `events` are what it was read from."""

    measure: str
    title: str
    group: str
    unit: str
    present: bool
    """If false, it counts by the model's rule for its absence."""
    published: bool
    """Whether any service publishes it today."""
    input: float | None
    score: float
    weight: float
    contribution: float
    events: list[UUID]
    words: str


@dataclass(slots=True)
class DriverView:
    """The change of a measure's part of the score over the days of the trend."""

    measure: str
    title: str
    change: float


@dataclass(slots=True)
class HealthView:
    """`score` is 0 to 100, null if no input is known; `coverage` the weight of the measures present over the total
    weight. `trend` is the change over the last 30 days, in points, by the models in force at either end, and null if
    there was no score then; `drivers` are the measures' parts of it, the greatest first, and add up to it. `words`
    state it in the language of the request, here and with each measure."""

    at: datetime
    score: float | None
    band: Band | None
    coverage: float
    model: str | None
    """Null: no model is for the customer; `words` say why."""
    model_version: int | None
    fault: str | None
    """Why the model cannot score any customer, if so: the customers it is for are set aside."""
    trend: float | None
    drivers: list[DriverView]
    words: str
    contributions: list[ContributionView]
    merged_into: UUID | None
    """The customer whose health it is, if the one that was asked for was merged."""


async def explanations(
    connection: AsyncConnection,
    tenant: str,
    customers: Sequence[UUID],
    at: datetime,
    models: Sequence[HealthModel] | None = None,
) -> dict[UUID, Explanation]:
    """Returns the explanations, each by the model that is for the customer, of those in force at that instant unless
    others are given."""
    instant = micros(at)
    in_force = Models(always=models) if models is not None else None
    facts = await facts_of(
        connection, tenant, customers, starts_at=instant - TREND_DAYS * DAY, ends_at=instant, models=in_force
    )
    return dict(zip(facts.customers, await asyncio.to_thread(explained, facts, instant), strict=True))


def as_view(explanation: Explanation, words: Words, merged_into: UUID | None = None) -> HealthView:
    return HealthView(
        at=moment(explanation.at),
        score=explanation.score,
        band=explanation.band,
        coverage=explanation.coverage,
        model=explanation.model.id if explanation.model else None,
        model_version=explanation.model.version if explanation.model else None,
        fault=explanation.model.fault if explanation.model else None,
        trend=explanation.trend,
        drivers=[DriverView(measure.id, measure.title, change) for measure, change in explanation.drivers],
        words=words.summary(explanation),
        contributions=[_contribution(explanation, each, words) for each in explanation.contributions],
        merged_into=merged_into,
    )


def _contribution(explanation: Explanation, contribution: Contribution, words: Words) -> ContributionView:
    measure, source = contribution.measure, input_of(contribution.measure)
    return ContributionView(
        measure=measure.id,
        title=measure.title,
        group=measure.group,
        unit=source.unit,
        present=contribution.present,
        published=source.published,
        input=contribution.input,
        score=contribution.score,
        weight=measure.weight,
        contribution=contribution.contribution,
        events=list(contribution.events),
        words=words.contribution(explanation, contribution),
    )
