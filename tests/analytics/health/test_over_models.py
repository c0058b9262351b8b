"""Over publications, retirements and changes of a customer's record: as-of, difference, history and trend agree."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analytics.health.explain.test_history import on_the_line
from tests.analytics.health.histories import DAYS, History, base_of, random_history, random_model, score_of

from analytics.health.engine.base import FAR
from analytics.health.engine.facts import HealthFacts
from analytics.health.explain.contributions import TREND_DAYS, explained
from analytics.health.explain.difference import differences
from analytics.health.explain.history import TooManyPoints, histories
from analytics.health.model.assignment import Attributes, Models, Publication, Record
from analytics.health.model.definition import DAY, DEFAULT, UNIDENTIFIED, Audience, Cause, HealthModel
from kith.ids import new_id

CUSTOMERS = 3
TINY = 1e-9
TREE = new_id()


class World(NamedTuple):
    facts: HealthFacts
    publications: list[Publication]
    histories: dict[tuple[str, int], list[History]]
    """Of each customer, by what each version of a model looks at."""


def random_world(dice: random.Random) -> World:
    publications = [each for number in range(dice.randint(0, 3)) for each in _course(dice, f"model {number}")]
    customers = sorted(new_id() for _ in range(CUSTOMERS))
    models = {(each.model.id, each.model.version): each.model for each in publications if each.model is not None}
    models[DEFAULT.id, DEFAULT.version] = DEFAULT
    pasts = {key: [random_history(dice, model) for _ in customers] for key, model in models.items()}
    bases = {key: replace(base_of(model, pasts[key]), customers=customers) for key, model in models.items()}
    records = {each: _records(dice) for each in customers if dice.random() < 0.8}
    return World(HealthFacts(customers, Models(publications), records, bases=bases), publications, pasts)


def _course(dice: random.Random, id: str) -> list[Publication]:
    """A model that is published, published again, and maybe retired."""
    audience = Audience(
        segments=frozenset(["gold"] if dice.random() < 0.4 else []),
        tags=frozenset(["vip"] if dice.random() < 0.3 else []),
        custom=(("region", frozenset({"emea", "apac"})),) if dice.random() < 0.3 else (),
        within=frozenset([TREE] if dice.random() < 0.2 else []),
    )
    times = sorted(dice.randint(0, (DAYS + 20) * DAY) for _ in range(dice.randint(1, 3)))
    course = [
        Publication(id, at, replace(random_model(dice), id=id, version=number, audience=audience))
        for number, at in enumerate(times, start=1)
    ]
    if dice.random() < 0.3:
        course.append(Publication(id, times[-1] + dice.randint(1, 20 * DAY), None))
    return course


def _records(dice: random.Random) -> list[Record]:
    times = sorted(dice.sample(range((DAYS + 20) * DAY), dice.randint(0, 2)))
    tags = [frozenset[str](), frozenset(["vip"]), frozenset([UNIDENTIFIED])]
    regions = [frozenset[tuple[str, str]](), frozenset([("region", "emea")]), frozenset([("region", "north")])]
    trees = [frozenset[UUID](), frozenset([TREE])]

    def attributes() -> Attributes:
        tag = dice.choices(tags, [6, 3, 1])[0]
        return Attributes(dice.choice(["gold", None]), None, tag, dice.choice(regions), dice.choice(trees))

    return [Record(since, attributes()) for since in (int(-FAR), *(time + 1 for time in times))]


def model_of(world: World, customer: UUID, at: int) -> HealthModel | None:
    """Looked for anew: what was published before, and what the record said."""
    of = Attributes()
    for index, record in enumerate(world.facts.records.get(customer, ())):
        if index == 0 or record.since <= at:
            of = record.attributes
    if UNIDENTIFIED in of.tags:
        return None
    in_force = dict[str, Publication]()
    for each in world.publications:
        if each.at < at:
            in_force[each.id] = each
    fit = [
        (each.model.audience.specificity, each.at, each.model)
        for each in in_force.values()
        if each.model is not None and each.model.audience.includes(*of)
    ]
    return max(fit, key=lambda each: each[:2])[2] if fit else DEFAULT


def as_of(world: World, index: int, at: int) -> float | None:
    model = model_of(world, world.facts.customers[index], at)
    return score_of(model, world.histories[model.id, model.version][index], at) if model is not None else None


def everybody() -> Sequence[int]:
    return range(CUSTOMERS)


seeds = some.integers(0, 2**32)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_as_of_an_instant_the_models_published_before_it_score(seed: int) -> None:
    dice = random.Random(seed)
    world = random_world(dice)
    edges = [each.at + more for each in world.publications for more in (0, 1)]
    for at in [*edges, *(dice.randint(0, (DAYS + 40) * DAY) for _ in range(4))]:
        explanations, bands = explained(world.facts, at), world.facts.bands(at)
        scores = world.facts.scores(at)
        for index in everybody():
            assert explanations[index].model == model_of(world, world.facts.customers[index], at)
            expected = as_of(world, index, at)
            assert explanations[index].score == (expected if expected is None else pytest.approx(expected, abs=1e-6))
            assert np.isnan(scores[index]) if expected is None else scores[index] == explanations[index].score
            assert (explanations[index].band is None) == (bands[index] < 0)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_a_difference_is_made_of_what_happened_and_of_the_swaps_of_models(seed: int) -> None:
    dice = random.Random(seed)
    world = random_world(dice)
    starts_at, ends_at = dice.randint(0, 20 * DAY), dice.randint(21 * DAY, (DAYS + 60) * DAY)
    before, after = explained(world.facts, starts_at), explained(world.facts, ends_at)
    for index, found in zip(
        everybody(), differences(world.facts, starts_at, ends_at, world.facts.everybody()), strict=True
    ):
        change = (after[index].score or 0.0) - (before[index].score or 0.0)
        assert found.change == pytest.approx(change, abs=TINY)
        assert sum(each.change for each in found.changes) == pytest.approx(change, abs=TINY)
        assert sum(each.by_model for each in found.changes) == pytest.approx(found.by_model, abs=TINY)
        assert sum(each.change for each in found.groups) == pytest.approx(change, abs=TINY)
        for each in found.changes:
            ends = [part.contribution if part is not None else 0.0 for part in (each.before, each.after)]
            assert each.change == pytest.approx(ends[1] - ends[0], abs=TINY)
        assert len({each.measure.id for each in found.changes}) == len(found.changes)
        held_to_swaps(world, index, starts_at, ends_at, [(each.after.at, each.change) for each in found.swaps])


def held_to_swaps(world: World, index: int, starts_at: int, ends_at: int, swaps: list[tuple[int, float]]) -> None:
    """Wherever another model comes, and nowhere else: its score less that of the one before, at that instant."""
    customer = world.facts.customers[index]
    records = [each.since for each in world.facts.records.get(customer, ())]
    expected: list[Any] = []
    for at in sorted({*(each.at + 1 for each in world.publications), *records}):
        if not starts_at < at <= ends_at:
            continue
        old, new = model_of(world, customer, at - 1), model_of(world, customer, at)
        if old != new:
            scores = [
                score_of(each, world.histories[each.id, each.version][index], at) or 0.0 if each is not None else 0.0
                for each in (old, new)
            ]
            expected.append((at, pytest.approx(scores[1] - scores[0], abs=1e-6)))
    assert swaps == expected


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_the_trend_is_as_of_now_less_as_of_thirty_days_before_and_its_drivers_add_up_to_it(seed: int) -> None:
    dice = random.Random(seed)
    world = random_world(dice)
    at = dice.randint(TREND_DAYS * DAY, (DAYS + 40) * DAY)
    now, then = explained(world.facts, at), explained(world.facts, at - TREND_DAYS * DAY)
    for explanation, before in zip(now, then, strict=True):
        if explanation.score is None or before.score is None:
            assert (explanation.trend, explanation.drivers) == (None, ())
            continue
        assert explanation.trend == pytest.approx(explanation.score - before.score, abs=TINY)
        assert sum(change for _, change in explanation.drivers) == pytest.approx(explanation.trend, abs=TINY)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_history_is_as_of_at_every_instant_and_its_changes_lead_from_band_to_band(seed: int) -> None:
    dice = random.Random(seed)
    world = random_world(dice)
    facts = world.facts
    starts_at, ends_at = dice.randint(0, 20 * DAY), dice.randint(21 * DAY, (DAYS + 40) * DAY)
    fades = any(measure.half_life_days for each in world.publications if each.model for measure in each.model.measures)
    for index, line in zip(everybody(), histories(facts, starts_at, ends_at, facts.everybody()), strict=True):
        assert not isinstance(line, TooManyPoints)
        assert (line.points[0].at, line.points[-1].at) == (starts_at, ends_at)
        instants = [dice.choice(line.points).at for _ in range(8)]
        instants += [] if fades else [dice.randint(starts_at, ends_at) for _ in range(8)]
        for at in instants:
            expected = as_of(world, index, at)
            assert on_the_line(line.points, at) == (expected if expected is None else pytest.approx(expected, abs=1e-5))
        edges = [each.at + more for each in line.changes for more in (-1, 0)]
        for at in [*edges, *(dice.randint(starts_at, ends_at) for _ in range(6)), ends_at]:
            before = [each.band for each in line.changes if each.at <= at]
            assert explained(facts, at)[index].band == (before[-1] if before else line.band)
        customer = facts.customers[index]
        for each in line.changes:
            swapped = model_of(world, customer, each.at) != model_of(world, customer, each.at - 1)
            assert (each.cause is Cause.MODEL) <= swapped
            assert each.model == model_of(world, customer, each.at)
        assert [each.model for each in line.assignments] == [
            model_of(world, customer, each.since) for each in line.assignments
        ]


def test_who_was_merged_away_is_scored_by_no_model_at_any_instant() -> None:
    world = random_world(random.Random(1))
    facts = replace(world.facts, merged={world.facts.customers[0]: world.facts.customers[1]})
    merged, survivor = explained(facts, 30 * DAY)[:2]
    assert (merged.model, merged.score) == (None, None)
    assert survivor.model is not None
    assert {each.model for each in facts.assignments(0, 0, DAYS * DAY)} == {None}
