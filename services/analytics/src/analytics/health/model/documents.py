"""The schema of a health model's document.

Each error names the measure by its own id, the field, and the rule: `document.measures.recency.curve`: points must rise
in x.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from analytics.health.model.definition import Curve, Measure
from analytics.health.model.inputs import INPUTS, Kind, input_of
from analytics.projections.facts import noun_of, types_of
from kith.events.catalogue import EVENTS
from kith.nouns.inputs import AS_SET, Document, Wrong, detail, refuse
from kith.scalars import Code, Id, Pattern, Real, Text

MAX_MEASURES = 40
MAX_POINTS = 50
MIN_DAYS, MAX_DAYS = 0.01, 3650
MIN_WEIGHT, MAX_WEIGHT = 0.001, 1000
MIN_STEP = 0.000001
"""The least distance between two points of a curve: values are in millionths, and a slope stays a finite number."""
MAX_HYSTERESIS = 20
MAX_FIELDS = 10
"""Of customers, in an audience."""

Place = tuple[str | int, ...]
T = TypeVar("T", str, UUID)


def _of_the_catalogue(name: str) -> str:
    if name not in INPUTS:
        raise PydanticCustomError("unknown", "It is one of {allowed}.", {"allowed": ", ".join(sorted(INPUTS))})
    return name


def _taken_by(name: str, aggregate: str | None) -> frozenset[str]:
    """Returns the settings that a measure of this input may have."""
    nothing_yet = Measure("", name, 1, Curve(()), aggregate=aggregate)
    takes = input_of(nothing_yet).takes - {"values"}
    return takes | _NEEDED.get(name, frozenset()) | ({"aggregate"} if name == "signal" else set())


def fields_of(name: str) -> frozenset[str]:
    """Returns the fields that a measure of this input may filter events by: those of all published events of its nouns.
    The last value of a field holds."""
    types = {type for each in INPUTS[name].events if each in EVENTS for type in types_of(noun_of(each))}
    return frozenset(field for type in types for field in EVENTS[type].__struct_encode_fields__)


def _each_once(given: list[T]) -> list[T]:
    if len(set(given)) < len(given):
        raise PydanticCustomError("repeated", "each is named once")
    return given


SETTINGS = ("window_days", "half_life_days", "where", "values", "stale_after_days", "signal", "aggregate")
_OVER_A_WINDOW = frozenset({Kind.TREND, Kind.GROWTH, Kind.DISTINCT})
_NEEDED = {"signal": frozenset({"signal"}), "loyalty_tier": frozenset({"values"})}
_NEEDS_WHAT = {
    "signal": "the id of a signal (see /v1/signals)",
    "values": 'what each of its words is worth, as in {"silver": 1, "gold": 2}',
}

MeasureId = Annotated[
    str, Pattern("[a-z][a-z0-9_]{0,49}", "It has 1 to 50 small letters, digits and underscores, a letter first.")
]
Number = Annotated[float, Real()]
Days = Annotated[float, Real(MIN_DAYS, MAX_DAYS)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]
InputName = Annotated[Code, AfterValidator(_of_the_catalogue), Field(json_schema_extra={"enum": sorted(INPUTS)})]
Codes = Annotated[list[Code], AfterValidator(_each_once), AS_SET, Field(max_length=50)]
SomeCodes = Annotated[list[Code], AfterValidator(_each_once), AS_SET, Field(min_length=1, max_length=50)]
BY_NAME = AfterValidator(lambda sent: dict(sorted(sent.items())))
"""Sorts an object's keys, as JSON objects have no order."""


class MeasureDocument(Document):
    """One input, turned into points by a curve, with a weight."""

    id: MeasureId = Field(description="by which errors and explanations name it; once per model")
    title: Text
    input: InputName
    group: Code | None = Field(default=None, description="measures of a group are added up in explanations")
    weight: Annotated[float, Real(MIN_WEIGHT, MAX_WEIGHT)]
    curve: Annotated[list[Point], Field(min_length=2, max_length=MAX_POINTS)] = Field(
        description="points [input, 0..100], rising in the input; linear between them, and flat beyond"
    )
    absence: Literal["left_out", "neutral", "zero"] = Field(
        default="left_out",
        description="without an input: left_out shares its weight among the rest, neutral is 50 points, zero is none",
    )
    window_days: Days | None = Field(default=None, description="only what happened in so many days before counts")
    half_life_days: Days | None = Field(default=None, description="what happened counts half after so many days")
    where: Annotated[dict[Code, SomeCodes], BY_NAME, Field(min_length=1, max_length=10)] | None = Field(
        default=None, description='only events with these values: {"channel": ["email"]}'
    )
    values: Annotated[dict[Code, Number], BY_NAME, Field(min_length=1, max_length=50)] | None = Field(
        default=None, description='what a word is worth: {"silver": 1, "gold": 2}'
    )
    stale_after_days: Days | None = Field(default=None, description="the last value counts for so many days")
    signal: Id | None = Field(default=None, description="id of the signal that the input `signal` reads")
    aggregate: Literal["latest", "sum", "mean"] | None = Field(
        default=None, description="what is read of a signal's readings; the latest, if nothing is said"
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        refuse(self, self._wrong())
        return self

    def _wrong(self) -> Iterator[Wrong]:
        if any(right[0] - left[0] < MIN_STEP for left, right in pairwise(self.curve)):
            yield "curve", "points must rise in x, by a millionth at least"
        if any(not 0 <= y <= 100 for _, y in self.curve):
            yield "curve", "points must lie from 0 to 100 in y"
        given = {name for name in SETTINGS if getattr(self, name) is not None}
        takes = _taken_by(self.input, self.aggregate)
        for name in sorted(given - takes):
            yield name, f"{self.input} takes none. It takes: {', '.join(sorted(takes)) or 'nothing more'}."
        if {"window_days", "half_life_days"} <= given:
            yield "half_life_days", "either a window or a half-life, not both"
        for name in sorted(_NEEDED.get(self.input, frozenset()) - given):
            yield name, f"The input `{self.input}` needs {_NEEDS_WHAT[name]}."
        if INPUTS[self.input].kind in _OVER_A_WINDOW and not (self.window_days or INPUTS[self.input].window_days):
            yield "window_days", f"The input `{self.input}` needs a window, in days: it has no usual one."
        if self.where is not None and (unknown := sorted(self.where.keys() - (fields := fields_of(self.input)))):
            yield "where", f"its events have no {', '.join(unknown)}. They have: {', '.join(sorted(fields))}."


class AudienceDocument(Document):
    """The audience: of each kind that is given one must match. Without any it is for every customer."""

    segments: Codes = Field(default_factory=list)
    tiers: Codes = Field(default_factory=list)
    tags: Codes = Field(default_factory=list)
    custom: Annotated[dict[Code, SomeCodes], BY_NAME, Field(max_length=MAX_FIELDS)] = Field(
        default_factory=dict, description='one of these values in each of these custom fields: {"region": ["emea"]}'
    )
    within: Annotated[list[Id], AfterValidator(_each_once), AS_SET, Field(max_length=50)] = Field(
        default_factory=list, description="these customers, and all that are below them in their trees"
    )


class BandsDocument(Document):
    """The score from which on a relationship is steady, and from which healthy. Below it is at risk."""

    steady: Annotated[float, Real(above=0, below=100)] = 40
    healthy: Annotated[float, Real(above=0, most=100)] = 70

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if self.healthy <= self.steady:
            refuse(self, [("healthy", f"must be above steady, which is {self.steady:g}")])
        return self


class HealthModelDocument(Document):
    """The definition of a healthy relationship: measures, each a curve over one input, weighted. `score = sum(weight *
    points) / sum(weight)`, from 0 to 100."""

    title: Text
    audience: AudienceDocument = AudienceDocument()
    measures: Annotated[list[MeasureDocument], Field(min_length=1, max_length=MAX_MEASURES)]
    bands: BandsDocument = BandsDocument()
    hysteresis: Annotated[float, Real(0, MAX_HYSTERESIS)] = Field(
        default=2, description="so far beyond a border a score must go to change the band"
    )

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            raise _by_id(error, given) from None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        refuse(self, self._wrong())
        return self

    def _wrong(self) -> Iterator[Wrong]:
        for rule in _repeated(Counter(each.id for each in self.measures)):
            yield "measures", rule
        steady, healthy = self.bands.steady, self.bands.healthy
        if self.hysteresis >= (half := (healthy - steady) / 2):
            yield "hysteresis", f"must be less than half of what lies between the borders, {half:g}"
        if self.hysteresis >= steady:
            yield "hysteresis", f"must be less than bands.steady, {steady:g}, or nobody sinks to at_risk"
        if healthy + self.hysteresis > 100:
            yield "hysteresis", f"must be {100 - healthy:g} at most beside bands.healthy, or nobody rises to healthy"


def _repeated(ids: Mapping[str, int]) -> Iterator[str]:
    for id, times in ids.items():
        if times > 1:
            yield f"ids must differ: {id} is there {times} times"


def _by_id(error: ValidationError, given: Any) -> ValidationError:
    """Yields the problems, with measures named by an id, where it identifies one, instead of an index; and the
    duplicate ids, which are not checked if there is another problem."""
    measures = given.get("measures") if isinstance(given, dict) else None
    ids = Counter(_id_of(each) for each in measures) if isinstance(measures, list) else Counter()

    def named(where: Place) -> Place:
        match where:
            case ("measures", int(index), *rest) if (id := _id_of(given["measures"][index])) and ids[id] == 1:
                return ("measures", id, *rest)
        return where

    found = error.errors(include_url=False, include_context=False)
    details = [detail(named(each["loc"]), each["msg"], each["input"]) for each in found]
    if not any(each["loc"] == ("measures",) for each in found):
        del ids[""]
        details += [detail(("measures",), rule, measures) for rule in _repeated(ids)]
    return ValidationError.from_exception_data(error.title, details)


def _id_of(measure: Any) -> str:
    """Returns the id as it was sent; "" if there is none."""
    match measure:
        case {"id": str(id)}:
            return id
    return ""


def as_kept(document: HealthModelDocument) -> dict[str, Any]:
    """Returns the document with all defaults written out, so that its meaning never changes."""
    return document.model_dump(mode="json")


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema, draft 2020-12. Rules that it cannot express are checked when a document is sent."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:kith:health-model",
        **HealthModelDocument.model_json_schema(),
    }
