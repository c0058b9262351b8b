"""Random models and histories, and a second opinion: each measure of each customer read one event after the other, as
METRICS says it, without columns, prefix sums or anything kept."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from analytics.health.engine.base import FAR, MISSING, UNITS, CustomerBase, Rows, Series
from analytics.health.model.definition import DAY, POINTS_OF_ABSENCE, Absence, HealthModel, Measure
from analytics.health.model.inputs import INPUTS, Kind, input_of, window_of
from kith.ids import new_id

DAYS = 60
NAMES = (
    "purchase_recency",
    "orders",
    "revenue",
    "revenue_trend",
    "engagement",
    "breadth",
    "open_cases",
    "tenure",
    "pulse",
    "signal",
    "renewal",
    "sentiment",
    "seat_growth",
)


class Past(NamedTuple):
    time: int
    end: int
    value: int
    event: bytes


History = list[list[Past]]
"""Of one customer: its events per measure."""


def random_model(dice: random.Random) -> HealthModel:
    measures = []
    for number in range(dice.randint(1, 4)):
        name = dice.choice(NAMES)
        fields: dict[str, Any] = {"aggregate": dice.choice(["latest", "sum", "mean"])} if name == "signal" else {}
        kind = {"latest": Kind.LATEST, "sum": Kind.SUM, "mean": Kind.MEAN}.get(fields.get("aggregate", ""))
        kind = kind or INPUTS[name].kind
        if kind in (Kind.SUM, Kind.MEAN) and dice.random() < 0.4:
            fields["half_life_days"] = dice.choice([1.5, 7, 20])
        elif kind in (Kind.SUM, Kind.MEAN, Kind.TREND, Kind.GROWTH, Kind.DISTINCT):
            fields["window_days"] = dice.choice([5, 10, 30.5])
        places = sorted(dice.sample(range(40), dice.randint(2, 4)))
        measures.append(
            {
                "id": f"m{number}",
                "input": name,
                "weight": dice.choice([0.5, 1, 2]),
                "curve": [[x, dice.randint(0, 100)] for x in places],
                "absence": dice.choice(["left_out", "left_out", "neutral", "zero"]),
                **fields,
            }
        )
    return HealthModel.from_document("drawn", 1, {"measures": measures, "hysteresis": dice.choice([0, 2, 5])})


def random_history(dice: random.Random, model: HealthModel) -> History:
    return [
        [_past(dice, input_of(measure).kind) for _ in range(dice.choice([0, 1, 3, 8]))] for measure in model.measures
    ]


def _past(dice: random.Random, kind: Kind) -> Past:
    time, later, value = dice.randint(0, DAYS * DAY), dice.randint(1, 20 * DAY), dice.randint(0, 20) * UNITS
    event = new_id().bytes
    match kind:
        case Kind.STANDING:
            return Past(time, dice.choice([int(FAR), time + later]), dice.choice([0, UNITS]), event)
        case Kind.GROWTH:
            return Past(time, dice.choice([int(FAR), time + later]), value, event)
        case Kind.LATEST:
            return Past(time, dice.choice([int(FAR), time + later]), dice.choice([int(MISSING), value]), event)
        case Kind.AHEAD:
            return Past(time, int(FAR), time + 2 * later, event)
        case Kind.DISTINCT:
            return Past(time, int(FAR), value // (8 * UNITS), event)
        case _:
            return Past(time, int(FAR), value, event)


def base_of(model: HealthModel, histories: list[History]) -> CustomerBase:
    series = []
    for number in range(len(model.measures)):
        rows = [(index, each) for index, history in enumerate(histories) for each in history[number]]
        columns = (
            np.array([index for index, _ in rows], np.int64),
            *(np.array([each[i] for _, each in rows], np.int64) for i in range(3)),
            np.array([each.event for _, each in rows], "S16"),
        )
        series.append(Series.of(len(histories), Rows(*columns)))
    return CustomerBase([new_id() for _ in histories], series)


def score_of(model: HealthModel, history: History, at: int) -> float | None:
    points = weight = 0.0
    known = False
    for measure, past in zip(model.measures, history, strict=True):
        x = _input(
            measure, sorted((each for each in past if each.time < at), key=lambda each: (each.time, each.event)), at
        )
        known |= x is not None
        if x is not None or measure.absence is not Absence.LEFT_OUT:
            points += measure.weight * (POINTS_OF_ABSENCE[measure.absence] if x is None else measure.curve.at(x))
            weight += measure.weight
    return points / weight if known else None


def _input(measure: Measure, past: list[Past], at: int) -> float | None:  # noqa: C901, PLR0911 - a case per kind
    source, window = input_of(measure), window_of(measure)
    if not past:
        return None

    def in_force(at: int) -> float:
        return sum(each.value / UNITS for each in past if each.time < at <= each.end)

    def within(window: int, ends: int = 0) -> list[Past]:
        return [each for each in past if at - window <= each.time < at - ends]

    value: Callable[[Past], float] = (lambda _: 1.0) if source.reads is None else (lambda each: each.value / UNITS)
    last = past[-1]
    match source.kind:
        case Kind.SINCE_LAST:
            return (at - last.time) / DAY
        case Kind.SINCE_FIRST:
            return (at - past[0].time) / DAY
        case Kind.STANDING:
            return float(sum(each.value > 0 and each.end >= at for each in past))
        case Kind.LATEST:
            return last.value / UNITS if at <= last.end and last.value != MISSING else None
        case Kind.AHEAD:
            return (last.value - at) / DAY
        case Kind.DISTINCT:
            return float(len({each.value for each in within(window or 0)}))
        case Kind.GROWTH:
            then = in_force(at - (window or 0))
            return in_force(at) / then if then > 0 else None
        case Kind.TREND:
            before = sum(map(value, within(2 * (window or 0), window or 0)))
            return sum(map(value, within(window or 0))) / before if before > 0 else None
    if measure.half_life_days:
        weights = [2 ** (-(at - each.time) / (measure.half_life_days * DAY)) for each in past]
        total = sum(weight * value(each) for weight, each in zip(weights, past, strict=True))
        return total if source.kind is Kind.SUM else total / sum(weights)
    values = list(map(value, within(window) if window else past))
    if source.kind is Kind.SUM:
        return sum(values)
    return sum(values) / len(values) if values else None
