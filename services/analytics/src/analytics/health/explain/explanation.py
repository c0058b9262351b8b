"""Why a customer's health is what it is, what changed, what would help, and how it went: as it is read, with words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.base import Ints, micros, moment
from analytics.health.engine.facts import HealthFacts
from analytics.health.engine.reads import facts_of
from analytics.health.explain.acts import Act
from analytics.health.explain.contributions import Contribution, Explanation, explained
from analytics.health.explain.difference import ChangeKind, Difference, MeasureChange, differences
from analytics.health.explain.history import (
    MAX_POINTS,
    MAX_TOGETHER,
    BandChange,
    History,
    TooManyPoints,
    TooManyTogether,
    histories,
)
from analytics.health.explain.path import Path, Step, Way, paths
from analytics.health.explain.reads import HealthView, as_view
from analytics.health.model.assignment import Models
from analytics.health.model.definition import Band, Cause, HealthModel
from analytics.health.model.inputs import input_of
from analytics.health.model.timeline import model_in_force
from analytics.health.wording.languages import WORDINGS
from analytics.health.wording.words import Language, Words
from analytics.projections.tenants import tenant_settings
from kith.errors import Invalid


@dataclass(slots=True)
class ScoredView:
    """At one of the two instants that are compared."""

    at: datetime
    score: float | None
    band: Band | None
    coverage: float
    model: str | None
    """Null: no model was for the customer."""
    model_version: int | None


@dataclass(slots=True)
class PartView:
    """What a measure brought. `input` is null where it could not be read; `score` is what its curve made of it."""

    input: float | None
    score: float
    contribution: float


@dataclass(slots=True)
class ChangeView:
    """`change` is that of the contribution, `by_input + by_share + by_model`: as the measure itself changed, as its
    weight became another share of all that counts, and as another model came to score the customer. They add up over
    the measures to the change of the score."""

    measure: str
    title: str
    group: str
    unit: str
    course: ChangeKind
    before: PartView | None
    after: PartView | None
    change: float
    by_input: float
    by_share: float
    by_model: float
    came_in: list[UUID]
    fell_out: list[UUID]
    words: str


@dataclass(slots=True)
class GroupView:
    group: str
    before: float
    after: float
    change: float


@dataclass(slots=True)
class ModelChangeView:
    """Another model came to score the customer: it was published or retired, or the customer's record changed. `at` is
    the first instant at which it did; `before` and `after` are of that same instant, by the one and by the other."""

    at: datetime
    before: ScoredView
    after: ScoredView
    change: float
    words: str


@dataclass(slots=True)
class DifferenceView:
    """Where nothing was known, the score counts for 0. `by_model` is what of the change is due to other models, the sum
    over `model_changes`; the rest is what happened, or time did, by the model of its day."""

    before: ScoredView
    after: ScoredView
    change: float
    by_model: float
    words: str
    model_changes: list[ModelChangeView]
    groups: list[GroupView]
    changes: list[ChangeView]


@dataclass(slots=True)
class StepView:
    """What can be done about a measure, and where it leads with all that it changes, all else as it is: the smallest
    that crosses the border, or else what comes nearest. `act` is null where nothing that can be done moves the score
    that way by this measure."""

    measure: str
    title: str
    unit: str
    published: bool
    act: Act | None
    times: int | None
    """So often, at once."""
    value: float | None
    """Of each: the amount of a purchase, a judgement, a reading, what a tier counts for."""
    word: str | None
    """The tier."""
    input: float | None
    to: float | None
    """The measure's input, then."""
    change: float | None
    score: float
    score_to: float | None
    leads_to: float | None
    """The health score, then."""
    band: Band | None
    """And its band."""
    crosses: bool
    words: str


@dataclass(slots=True)
class WayView:
    """Over one border. `border` is the score to reach going up, and to fall below going down: hysteresis is in it.
    `reachable`: a single step crosses it; `best` is the score that the best step leads to, null if none helps.
    `silent_at` is when time alone will have crossed it, if nothing happens."""

    band: Band
    border: float
    points: float
    reachable: bool
    best: float | None
    silent_at: datetime | None
    words: str
    steps: list[StepView]


@dataclass(slots=True)
class PathView:
    """`up` is null where there is no better band, `down` where there is no worse; both where nothing is known."""

    at: datetime
    score: float | None
    band: Band | None
    model: str | None
    model_version: int | None
    up: WayView | None
    down: WayView | None
    caveat: str


@dataclass(slots=True)
class PointView:
    at: datetime
    score: float | None


@dataclass(slots=True)
class BandChangeView:
    """`at` is the first instant in the new band; `model` scored the customer then. `silent`: nothing happened, time
    alone did it."""

    at: datetime
    from_band: Band | None
    band: Band | None
    cause: Cause
    silent: bool
    model: str | None
    model_version: int | None
    words: str


@dataclass(slots=True)
class AssignmentView:
    """A model scored the customer at every instant from `starts_at` to `ends_at`, both included. Null: none did."""

    starts_at: datetime
    ends_at: datetime
    model: str | None
    model_version: int | None


@dataclass(slots=True)
class HistoryView:
    """By the model that scored the customer at each instant; `model` did at the end. Points are joined by straight
    lines; where an event or another model made the score jump there are two, a microsecond apart."""

    starts_at: datetime
    ends_at: datetime
    model: str | None
    model_version: int | None
    models: list[AssignmentView]
    band: Band | None
    points: list[PointView]
    changes: list[BandChangeView]


@dataclass(frozen=True)
class HealthSnapshot:
    """All that is to be told of some customers, as it was read in one transaction."""

    facts: HealthFacts
    zone: str


async def snapshot(
    connection: AsyncConnection, tenant: str, customers: Sequence[UUID], model: str | None = None
) -> HealthSnapshot:
    """`model` is the id of one in force now, to be told by it whoever it is for; else each customer is told by the
    model that was for it at the instant. Raises Invalid if none in force has that id."""
    zone = (await tenant_settings(connection, tenant)).zone
    named = None if model is None else Models.only(await model_in_force(connection, tenant, model))
    return HealthSnapshot(await facts_of(connection, tenant, customers, models=named), zone)


@dataclass(frozen=True)
class HealthExplainer:
    """Tells of customers of a snapshot, in one language. It reads nothing, and takes up to seconds for many customers:
    no event loop should wait for it."""

    of: HealthSnapshot
    language: Language

    def health(self, customers: Sequence[UUID], at: datetime) -> dict[UUID, HealthView]:
        told = explained(self.of.facts, micros(at), self._places(customers))
        return {id: as_view(each, self._words) for id, each in zip(customers, told, strict=True)}

    def difference(
        self, customers: Sequence[UUID], starts_at: datetime, ends_at: datetime
    ) -> dict[UUID, DifferenceView]:
        """Raises Invalid unless the interval goes forward."""
        _check(starts_at, ends_at)
        told = differences(self.of.facts, micros(starts_at), micros(ends_at), self._places(customers))
        return {id: _difference(each, self._words) for id, each in zip(customers, told, strict=True)}

    def path(self, customers: Sequence[UUID], at: datetime) -> dict[UUID, PathView]:
        told = paths(self.of.facts, micros(at), self._places(customers))
        return {id: _path(each, self._words) for id, each in zip(customers, told, strict=True)}

    def history(
        self, customers: Sequence[UUID], starts_at: datetime, ends_at: datetime
    ) -> dict[UUID, HistoryView | Invalid | None]:
        """None for whom no model ever was, and Invalid for one of whom there is too much to tell. Raises Invalid unless
        the interval goes forward, and if there is too much to tell of all of them."""
        _check(starts_at, ends_at)
        places = self._places(customers)
        try:
            told = histories(self.of.facts, micros(starts_at), micros(ends_at), places)
        except TooManyTogether as error:
            raise Invalid(
                f"The scores of these {len(customers)} customers bend more than {MAX_TOGETHER:,} times in that "
                "interval. Ask for a shorter one, or for fewer customers.",
                field="from",
            ) from error
        return {id: _history(each, starts_at, ends_at, self._words) for id, each in zip(customers, told, strict=True)}

    @property
    def _words(self) -> Words:
        return Words(WORDINGS[self.language], ZoneInfo(self.of.zone))

    def _places(self, customers: Sequence[UUID]) -> Ints:
        index = {customer: number for number, customer in enumerate(self.of.facts.customers)}
        return np.array([index[each] for each in customers], np.int64)


def _check(starts_at: datetime, ends_at: datetime) -> None:
    if starts_at >= ends_at:
        raise Invalid("It must be before `to`.", field="from")


def _scored(told: Explanation) -> ScoredView:
    return ScoredView(moment(told.at), told.score, told.band, told.coverage, *_named_by(told.model))


def _named_by(model: HealthModel | None) -> tuple[str, int] | tuple[None, None]:
    return (None, None) if model is None else (model.id, model.version)


def _difference(told: Difference, words: Words) -> DifferenceView:
    return DifferenceView(
        before=_scored(told.before),
        after=_scored(told.after),
        change=told.change,
        by_model=told.by_model,
        words=words.difference(told),
        model_changes=[
            ModelChangeView(
                moment(each.after.at), _scored(each.before), _scored(each.after), each.change, words.swapped(each)
            )
            for each in told.swaps
        ],
        groups=[GroupView(each.group, each.before, each.after, each.change) for each in told.groups],
        changes=[_change(told, each, words) for each in told.changes],
    )


def _change(told: Difference, change: MeasureChange, words: Words) -> ChangeView:
    measure = change.measure
    return ChangeView(
        measure=measure.id,
        title=measure.title,
        group=measure.group,
        unit=input_of(measure).unit,
        course=change.course,
        before=_part(change.before),
        after=_part(change.after),
        change=change.change,
        by_input=change.by_input,
        by_share=change.by_share,
        by_model=change.by_model,
        came_in=list(change.came_in),
        fell_out=list(change.fell_out),
        words=words.change(told, change),
    )


def _part(told: Contribution | None) -> PartView | None:
    return PartView(told.input, told.score, told.contribution) if told is not None else None


def _path(told: Path, words: Words) -> PathView:
    model, version = _named_by(told.told.model)
    return PathView(
        at=moment(told.told.at),
        score=told.told.score,
        band=told.told.band,
        model=model,
        model_version=version,
        up=_way(told, told.up, words),
        down=_way(told, told.down, words),
        caveat=words.caveat(),
    )


def _way(told: Path, way: Way | None, words: Words) -> WayView | None:
    if way is None:
        return None
    return WayView(
        band=way.band,
        border=way.border,
        points=way.points,
        reachable=way.best is not None and way.best.crosses,
        best=way.best.score if way.best is not None else None,
        silent_at=moment(way.silent_at) if way.silent_at is not None else None,
        words=words.way(told, way),
        steps=[_step(told, way, each, words) for each in way.steps],
    )


def _step(told: Path, way: Way, step: Step, words: Words) -> StepView:
    source, doing = input_of(step.measure), step.doing
    return StepView(
        measure=step.measure.id,
        title=step.measure.title,
        unit=source.unit,
        published=source.published,
        act=doing.act if doing else None,
        times=doing.times if doing else None,
        value=doing.value if doing else None,
        word=doing.word if doing else None,
        input=step.now,
        to=step.to,
        change=step.change,
        score=step.points,
        score_to=step.points_to,
        leads_to=step.score,
        band=step.band,
        crosses=step.crosses,
        words=words.step(told, way, step),
    )


def _history(
    told: History | TooManyPoints, starts_at: datetime, ends_at: datetime, words: Words
) -> HistoryView | Invalid | None:
    if isinstance(told, TooManyPoints):
        return Invalid(
            f"The score bends more than {MAX_POINTS:,} times in that interval. Ask for a shorter one.", field="from"
        )
    if all(each.model is None for each in told.assignments):
        return None
    model, version = _named_by(told.model)
    return HistoryView(
        starts_at=starts_at,
        ends_at=ends_at,
        model=model,
        model_version=version,
        models=[
            AssignmentView(moment(each.since), moment(each.until), *_named_by(each.model)) for each in told.assignments
        ],
        band=told.band,
        points=[PointView(moment(each.at), each.score) for each in told.points],
        changes=[_band_change(each, words) for each in told.changes],
    )


def _band_change(told: BandChange, words: Words) -> BandChangeView:
    model, version = _named_by(told.model)
    return BandChangeView(
        at=moment(told.at),
        from_band=told.from_band,
        band=told.band,
        cause=told.cause,
        silent=told.silent,
        model=model,
        model_version=version,
        words=words.band_change(told),
    )
