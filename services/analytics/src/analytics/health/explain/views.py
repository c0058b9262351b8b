"""Explanations of a customer's health as views: its change, the path to other bands, and its history."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics.health.explain.acts import Act
from analytics.health.explain.difference import ChangeKind
from analytics.health.model.definition import Band, Cause


@dataclass(slots=True)
class ScoredView:
    """The score at one of the two instants that are compared."""

    at: datetime
    score: float | None
    band: Band | None
    coverage: float
    model: str | None
    """Null: no model was for the customer."""
    model_version: int | None


@dataclass(slots=True)
class PartView:
    """The part of a measure. `input` is null where it is absent; `score` is the curve's value."""

    input: float | None
    score: float
    contribution: float


@dataclass(slots=True)
class ChangeView:
    """`change` is that of the contribution, `by_input + by_share + by_model`: because the measure itself changed,
    because its weight became another share of the total, and because another model came to score the customer. They add
    up over the measures to the change of the score."""

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
    """An unknown score counts as 0. `by_model` is the part of the change that is due to other models, the sum over
    `model_changes`; the rest is due to events, or to time, by the model that was in force."""

    before: ScoredView
    after: ScoredView
    change: float
    by_model: float
    words: str
    model_changes: list[ModelChangeView]
    groups: list[GroupView]
    changes: list[ChangeView]
    merged_into: UUID | None
    """The customer whose health it is, if the one that was asked for was merged."""


@dataclass(slots=True)
class StepView:
    """The step by a measure, and where it leads with all its effects, all else unchanged: the smallest that crosses the
    border, or else the one that comes nearest. `act` is null where no act moves the score that way by this measure."""

    measure: str
    title: str
    unit: str
    published: bool
    act: Act | None
    times: int | None
    """The number of repetitions, at once."""
    value: float | None
    """For each: the amount of a purchase, a judgement, a reading, or the worth of a tier."""
    word: str | None
    """The tier."""
    input: float | None
    to: float | None
    """The measure's input after the step."""
    change: float | None
    score: float
    score_to: float | None
    leads_to: float | None
    """The health score after the step."""
    band: Band | None
    """The band after the step."""
    crosses: bool
    words: str


@dataclass(slots=True)
class WayView:
    """The way over one border. `border` is the score to reach going up, and to fall below going down, hysteresis
    included. `reachable`: a single step crosses it; `best` is the score that the best step leads to, null if none
    helps. `silent_at` is when time alone will have crossed it, if no event happens."""

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
    """`up` is null where there is no better band, `down` where there is no worse; both where no input is known."""

    at: datetime
    score: float | None
    band: Band | None
    model: str | None
    model_version: int | None
    up: WayView | None
    down: WayView | None
    caveat: str
    merged_into: UUID | None
    """The customer whose health it is, if the one that was asked for was merged."""


@dataclass(slots=True)
class PointView:
    at: datetime
    score: float | None


@dataclass(slots=True)
class BandChangeView:
    """`at` is the first instant in the new band; `model` scored the customer then. `silent`: no event happened, time
    alone caused it."""

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
    merged_into: UUID | None
    """The customer whose health it is, if the one that was asked for was merged."""
