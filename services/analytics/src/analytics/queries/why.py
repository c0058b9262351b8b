"""Why a customer's health is what it is, what changed, what would help, and how it went: as it is read, with words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health.base import micros, moment
from analytics.domain.health.difference import Change, Course, Difference, difference
from analytics.domain.health.explain import Contribution, Explanation
from analytics.domain.health.history import MAX_POINTS, History, TooManyPoints, history
from analytics.domain.health.inputs import input_of
from analytics.domain.health.languages import WORDINGS
from analytics.domain.health.model import Audience, Band, HealthModel
from analytics.domain.health.path import Path, Step, Way, path
from analytics.domain.health.words import Language, Words
from analytics.queries.health import HealthView, as_view, explanations
from analytics.queries.tenants import tenant_settings
from analytics.storage.health import assigned, base_of
from analytics.storage.models import models_of
from analytics.storage.tables import ledger
from kith.domain import Invalid


@dataclass(slots=True)
class ScoredView:
    """At one of the two instants that are compared."""

    at: datetime
    score: float | None
    band: Band | None
    coverage: float
    model: str
    model_version: int


@dataclass(slots=True)
class PartView:
    """What a measure brought. `input` is null where it could not be read; `score` is what its curve made of it."""

    input: float | None
    score: float
    contribution: float


@dataclass(slots=True)
class ChangeView:
    """`change` is that of the contribution, `by_input + by_share`: as the measure itself changed, and as its weight
    became another share of all that counts. They add up over the measures to the change of the score."""

    measure: str
    title: str
    group: str
    unit: str
    course: Course
    before: PartView | None
    after: PartView | None
    change: float
    by_input: float
    by_share: float
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
class DifferenceView:
    """Where nothing was known, the score counts for 0."""

    before: ScoredView
    after: ScoredView
    change: float
    words: str
    groups: list[GroupView]
    changes: list[ChangeView]


@dataclass(slots=True)
class StepView:
    """One measure alone, all else as it is. `to` is the nearest input that is enough; null: none is, or no service
    tells of it yet."""

    measure: str
    title: str
    unit: str
    published: bool
    input: float | None
    to: float | None
    change: float | None
    score: float
    score_to: float | None
    leads_to: float | None
    """The health score, then."""
    words: str


@dataclass(slots=True)
class WayView:
    """Over one border. `border` is the score to reach going up, and to fall below going down: hysteresis is in it."""

    band: Band
    border: float
    points: float
    words: str
    steps: list[StepView]


@dataclass(slots=True)
class PathView:
    """`up` is null where there is no better band, `down` where there is no worse; both where nothing is known."""

    at: datetime
    score: float | None
    band: Band | None
    model: str
    model_version: int
    up: WayView | None
    down: WayView | None
    caveat: str


@dataclass(slots=True)
class PointView:
    at: datetime
    score: float | None


@dataclass(slots=True)
class BandChangeView:
    """`at` is the first instant in the new band; `silent`: nothing happened, time alone did it."""

    at: datetime
    from_band: Band | None
    band: Band | None
    silent: bool
    words: str


@dataclass(slots=True)
class HistoryView:
    """By one model, the one that is for the customer at the end. Points are joined by straight lines; where an event
    made the score jump there are two, a microsecond apart."""

    starts_at: datetime
    ends_at: datetime
    model: str
    model_version: int
    band: Band | None
    points: list[PointView]
    changes: list[BandChangeView]


@dataclass(frozen=True)
class Teller:
    """Reads and tells, for one tenant in one language. `model` is the id of one in force, to be told by it whoever it
    is for; else each customer is told by the model that was for it then."""

    connection: AsyncConnection
    tenant: str
    language: Language
    model: str | None = None

    async def health(self, customers: Sequence[UUID], at: datetime) -> dict[UUID, HealthView]:
        told = await explanations(self.connection, self.tenant, customers, at, await self._models(at))
        words = await self._words(told.values())
        return {id: as_view(each, words) for id, each in told.items()}

    async def difference(
        self, customers: Sequence[UUID], starts_at: datetime, ends_at: datetime
    ) -> dict[UUID, DifferenceView]:
        """Raises Invalid unless the interval goes forward."""
        _check(starts_at, ends_at)
        models = await self._models(ends_at)
        before = await explanations(self.connection, self.tenant, customers, starts_at, models)
        after = await explanations(self.connection, self.tenant, customers, ends_at, models)
        words = await self._words([*before.values(), *after.values()])
        return {id: _difference(difference(before[id], after[id]), words) for id in customers}

    async def path(self, customers: Sequence[UUID], at: datetime) -> dict[UUID, PathView]:
        told = await explanations(self.connection, self.tenant, customers, at, await self._models(at))
        words = await self._words([])
        return {id: _path(path(each), words) for id, each in told.items()}

    async def history(
        self, customers: Sequence[UUID], starts_at: datetime, ends_at: datetime
    ) -> dict[UUID, HistoryView | None]:
        """None for whom no model is. Raises Invalid unless the interval goes forward, and if there is too much to
        tell."""
        _check(starts_at, ends_at)
        words = await self._words([])
        found: dict[UUID, HistoryView | None] = dict.fromkeys(customers)
        first, last = micros(starts_at), micros(ends_at)
        for model, those in await assigned(self.connection, self.tenant, await self._models(ends_at), last, customers):
            base = await base_of(self.connection, self.tenant, model, those)
            for place, id in enumerate(base.customers):
                try:
                    found[id] = _history(history(model, base, place, first, last), starts_at, ends_at, words)
                except TooManyPoints as error:
                    raise Invalid(
                        f"The score bends more than {MAX_POINTS:,} times in that interval. Ask for a shorter one.",
                        field="from",
                    ) from error
        return found

    async def _models(self, at: datetime) -> list[HealthModel]:
        """In force then; one that is named, as it is now."""
        if self.model is None:
            return await models_of(self.connection, self.tenant, at)
        models = await models_of(self.connection, self.tenant)
        if (named := next((each for each in models if each.id == self.model), None)) is None:
            there_are = ", ".join(each.id for each in models)
            raise Invalid(f"There is no health model {self.model} in force. There are: {there_are}.", field="model")
        return [replace(named, audience=Audience())]

    async def _words(self, told: Iterable[Explanation]) -> Words:
        zone = (await tenant_settings(self.connection, self.tenant)).zone
        newest = {id for each in told for part in each.contributions for id in part.events[-1:]}
        times: dict[UUID, datetime] = {}
        if newest:
            c = ledger.c
            rows = await self.connection.execute(
                select(c.id, c.time).where(c.tenant_id == self.tenant, c.id == any_(cast(list(newest), ARRAY(Uuid))))
            )
            times = {row.id: row.time for row in rows}
        return Words(WORDINGS[self.language], ZoneInfo(zone), times)


def _check(starts_at: datetime, ends_at: datetime) -> None:
    if starts_at >= ends_at:
        raise Invalid("It must be before `to`.", field="from")


def _scored(told: Explanation) -> ScoredView:
    return ScoredView(moment(told.at), told.score, told.band, told.coverage, told.model.id, told.model.version)


def _difference(told: Difference, words: Words) -> DifferenceView:
    return DifferenceView(
        before=_scored(told.before),
        after=_scored(told.after),
        change=told.change,
        words=words.difference(told),
        groups=[GroupView(each.group, each.before, each.after, each.change) for each in told.groups],
        changes=[_change(told, each, words) for each in told.changes],
    )


def _change(told: Difference, change: Change, words: Words) -> ChangeView:
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
        came_in=list(change.came_in),
        fell_out=list(change.fell_out),
        words=words.change(told, change),
    )


def _part(told: Contribution | None) -> PartView | None:
    return PartView(told.input, told.score, told.contribution) if told is not None else None


def _path(told: Path, words: Words) -> PathView:
    return PathView(
        at=moment(told.told.at),
        score=told.told.score,
        band=told.told.band,
        model=told.told.model.id,
        model_version=told.told.model.version,
        up=_way(told, told.up, words),
        down=_way(told, told.down, words),
        caveat=words.caveat(),
    )


def _way(told: Path, way: Way | None, words: Words) -> WayView | None:
    if way is None:
        return None
    steps = [_step(told, each, words) for each in way.steps]
    return WayView(way.band, way.border, way.points, words.way(told, way), steps)


def _step(told: Path, step: Step, words: Words) -> StepView:
    source = input_of(step.measure)
    return StepView(
        measure=step.measure.id,
        title=step.measure.title,
        unit=source.unit,
        published=source.published,
        input=step.now,
        to=step.to,
        change=step.change,
        score=step.points,
        score_to=step.points_to,
        leads_to=step.score,
        words=words.step(told, step),
    )


def _history(told: History, starts_at: datetime, ends_at: datetime, words: Words) -> HistoryView:
    return HistoryView(
        starts_at=starts_at,
        ends_at=ends_at,
        model=told.model.id,
        model_version=told.model.version,
        band=told.band,
        points=[PointView(moment(each.at), each.score) for each in told.points],
        changes=[
            BandChangeView(moment(each.at), each.from_band, each.band, each.silent, words.band_change(each))
            for each in told.changes
        ],
    )
