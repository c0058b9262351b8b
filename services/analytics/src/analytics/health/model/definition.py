"""Health models: the measures by which a tenant scores its relationships."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

DAY = 86_400_000_000
"""In microseconds, as all instants and spans of health are: whole numbers, since 1970, UTC."""
UNIDENTIFIED = "unidentified"
"""The tag of a customer that stands for all unidentified ones: it has no habits of its own."""


class Cause(StrEnum):
    """The cause of a band change."""

    EVENT = "event"
    SILENCE = "silence"
    """Time alone: no event happened."""
    MODEL = "model"
    """Another model came to score the customer: it was published or retired, or is for such a customer."""
    CORRECTION = "correction"
    """A late event changed the past."""


class Band(StrEnum):
    AT_RISK = "at_risk"
    STEADY = "steady"
    HEALTHY = "healthy"


class Absence(StrEnum):
    """How a measure that is absent counts."""

    LEFT_OUT = "left_out"
    """Its weight is shared among the rest."""
    NEUTRAL = "neutral"
    """50 points."""
    ZERO = "zero"


POINTS_OF_ABSENCE = {Absence.LEFT_OUT: 0.0, Absence.NEUTRAL: 50.0, Absence.ZERO: 0.0}


@dataclass(frozen=True)
class Curve:
    """Points `input -> 0..100`, linear between them and flat beyond."""

    points: tuple[tuple[float, float], ...]

    def at(self, x: float) -> float:
        indexes = [index for index, _ in self.points]
        right = bisect_right(indexes, x)
        if right == 0:
            return self.points[0][1]
        if right == len(self.points):
            return self.points[-1][1]
        (x0, y0), (x1, y1) = self.points[right - 1], self.points[right]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


@dataclass(frozen=True)
class Measure:
    id: str
    input: str
    """By its name in `inputs.INPUTS`."""
    weight: float
    curve: Curve
    title: str = ""
    group: str = ""
    absence: Absence = Absence.LEFT_OUT
    window_days: float | None = None
    half_life_days: float | None = None
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """The field of the event has one of these values."""
    values: Mapping[str, float] = field(default_factory=dict, hash=False)
    """The worth of the input's categories."""
    signal: UUID | None = None
    aggregate: str | None = None
    """`latest`, `sum` or `mean` of a signal's readings."""
    stale_after_days: float | None = None


@dataclass(frozen=True)
class Audience:
    """Whom a model is for: customers that match every kind that is named. Without any it is for every customer."""

    segments: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    custom: tuple[tuple[str, frozenset[str]], ...] = ()
    """Custom fields by their codes, each with values."""
    within: frozenset[UUID] = frozenset()
    """Customers: they and all below them."""

    def includes(
        self,
        segment: str | None,
        tier: str | None,
        tags: frozenset[str],
        custom: frozenset[tuple[str, str]],
        within: frozenset[UUID],
    ) -> bool:
        return (
            (not self.segments or segment in self.segments)
            and (not self.tiers or tier in self.tiers)
            and (not self.tags or not self.tags.isdisjoint(tags))
            and all(any((code, value) in custom for value in values) for code, values in self.custom)
            and (not self.within or not self.within.isdisjoint(within))
        )

    @property
    def specificity(self) -> tuple[int, ...]:
        """The higher one wins: of more kinds first, each custom field being one; then custom fields before trees before
        tags before tiers before segments."""
        named = (len(self.custom), bool(self.within), bool(self.tags), bool(self.tiers), bool(self.segments))
        return (sum(named), *named)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Audience":
        segments, tiers, tags = (frozenset(document.get(kind) or ()) for kind in ("segments", "tiers", "tags"))
        custom = sorted((document.get("custom") or {}).items())
        within = frozenset(UUID(each) for each in document.get("within") or ())
        return cls(segments, tiers, tags, tuple((code, frozenset(values)) for code, values in custom), within)


@dataclass(frozen=True)
class HealthModel:
    id: str
    """The id of the published model, or `default`."""
    version: int
    measures: tuple[Measure, ...]
    title: str = ""
    audience: Audience = Audience()
    steady: float = 40
    healthy: float = 70
    hysteresis: float = 0
    """The distance beyond its border at which a band is left."""
    fault: str | None = None
    """Why the model cannot score any customer, if so. It has no measures then."""

    @classmethod
    def broken(cls, id: str, version: int, document: Any, fault: str) -> "HealthModel":
        """Returns a model that cannot be computed, for the audience it was made for as far as that is readable; else
        for every customer."""
        audience = document.get("audience") if isinstance(document, Mapping) else None
        groups = audience if isinstance(audience, Mapping) else {}
        custom = groups.get("custom")
        read = _lists(groups)
        read["custom"] = _lists(custom if isinstance(custom, Mapping) else {})
        read["within"] = [each for each in read.get("within", ()) if _is_id(each)]
        return cls(id, version, (), audience=Audience.from_document(read), fault=fault)

    @classmethod
    def from_document(cls, id: str, version: int, document: Mapping[str, Any]) -> "HealthModel":
        """Returns the model of a document, which was checked when it was written (see health.model.commands)."""
        bands, audience = document.get("bands") or {}, document.get("audience") or {}
        return cls(
            id,
            version,
            tuple(_measure(each) for each in document["measures"]),
            document.get("title", ""),
            Audience.from_document(audience),
            bands.get("steady", cls.steady),
            bands.get("healthy", cls.healthy),
            document.get("hysteresis", cls.hysteresis),
        )

    @property
    def borders(self) -> tuple[float, float]:
        return self.steady, self.healthy


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _lists(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [*map(str, values)] for name, values in given.items() if isinstance(values, list)}


def _measure(document: Mapping[str, Any]) -> Measure:
    signal = document.get("signal")
    return Measure(
        document["id"],
        document["input"],
        document["weight"],
        Curve(tuple((float(x), float(y)) for x, y in document["curve"])),
        document.get("title") or document["id"],
        document.get("group") or "",
        Absence(document.get("absence") or Absence.LEFT_OUT),
        document.get("window_days"),
        document.get("half_life_days"),
        {name: tuple(values) for name, values in (document.get("where") or {}).items()},
        document.get("values") or {},
        UUID(str(signal)) if signal else None,
        document.get("aggregate"),
        document.get("stale_after_days"),
    )


BANDS = tuple(Band)


def band_of(number: int) -> Band | None:
    """Returns the band. Bands are numbered from 0; -1 stands for no band."""
    return BANDS[number] if number >= 0 else None


def number_of(band: str | None) -> int:
    return -1 if band is None else BANDS.index(Band(band))


DEFAULT = HealthModel.from_document(
    "default",
    2,
    {
        "title": "Purchases and open cases",
        "measures": [
            {
                "id": "recency",
                "title": "Recency of purchase",
                "input": "purchase_recency",
                "weight": 0.45,
                "curve": [[0, 100], [30, 75], [60, 40], [90, 10], [120, 0]],
            },
            {
                "id": "frequency",
                "title": "Orders in a year",
                "input": "orders",
                "window_days": 365,
                "weight": 0.35,
                "curve": [[0, 0], [1, 40], [4, 75], [12, 100]],
            },
            {
                "id": "open_cases",
                "title": "Open cases",
                "input": "open_cases",
                "weight": 0.20,
                "curve": [[0, 100], [1, 20], [3, 0]],
            },
        ],
        "hysteresis": 2,
    },
)
"""The model for customers that no published one is for. Its curve of recency is almost down after the 90 days in which
by default a customer counts as active: a customer at risk should be noticed before it is lost. And an open case is
worth less than what makes a customer at risk: the first one raises no customer out of it."""
