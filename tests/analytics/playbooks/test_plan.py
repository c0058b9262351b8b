"""The rules of playbooks: what sets one off, for whom, how often, and who is left alone."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.analytics.conftest import at

from analytics.playbooks.firing import CustomerAt, Firing, Run, RunState, is_control
from analytics.playbooks.plan import Customer, Plan, action_id
from analytics.playbooks.rules import Playbook, PlaybookIsStarted, PlaybookNotStarted, PlaybookState
from analytics.playbooks.trigger_event import TriggerEvent
from kith.errors import Invalid
from kith.ids import new_id

PLAYBOOK = UUID("0190f3a0-0000-7000-8000-000000000001")
NOON = at("2026-03-01") + timedelta(hours=12)


def document(**fields: Any) -> dict[str, Any]:
    return {
        "when": {"kind": "band_changed", "to": ["at_risk"]},
        "actions": [{"kind": "task", "title": "Call"}],
        **fields,
    }


def sank(**fields: Any) -> TriggerEvent:
    given = {
        "kind": "band_changed",
        "customer_id": new_id(),
        "at": NOON,
        "band": "at_risk",
        "from_band": "steady",
        "score": 37.5,
        "cause": "silence",
    }
    return TriggerEvent(**{**given, **fields})


def fires(when: dict[str, Any], trigger_event: TriggerEvent) -> bool:
    return Plan.from_document(document(when=when, cool_down_days=400)).when.fires(trigger_event)


def runs(plan: Plan, *trigger_events: TriggerEvent, customers: dict[CustomerAt, Customer] | None = None) -> list[Run]:
    return Firing(PLAYBOOK, plan).take(trigger_events, customers or {})


# What sets it off


@pytest.mark.parametrize("cause", ["event", "silence"])
def test_a_band_change_sets_it_off_by_an_event_and_by_silence(cause: str) -> None:
    assert fires({"kind": "band_changed", "to": ["at_risk"]}, sank(cause=cause))


@pytest.mark.parametrize("cause", ["model", "correction"])
def test_a_new_model_or_a_correction_of_the_past_does_not(cause: str) -> None:
    assert not fires({"kind": "band_changed", "to": ["at_risk"]}, sank(cause=cause))


def test_the_first_score_of_a_customer_is_no_change() -> None:
    assert not fires({"kind": "band_changed", "to": ["at_risk"]}, sank(from_band=None))


def test_a_band_that_is_not_named_does_not_set_it_off() -> None:
    assert not fires({"kind": "band_changed", "to": ["at_risk"]}, sank(band="healthy"))
    assert not fires({"kind": "band_changed", "to": ["at_risk"], "from": ["healthy"]}, sank(from_band="steady"))
    assert fires({"kind": "band_changed", "to": ["at_risk"], "from": ["healthy"]}, sank(from_band="healthy"))


def test_a_score_that_dropped_by_the_points_or_more_sets_it_off() -> None:
    when = {"kind": "score_dropped", "points": 15, "days": 30}
    drop = sank(kind="score_dropped", score=50.0, from_score=65.0)
    assert fires(when, drop)
    assert not fires(when, sank(kind="score_dropped", score=50.1, from_score=65.0))
    assert not fires(when, sank(kind="score_dropped", score=65.0, from_score=50.0))
    assert not fires(when, sank(kind="score_dropped", score=50.0, from_score=None))


def test_what_another_model_made_of_the_same_facts_is_no_drop() -> None:
    when = {"kind": "score_dropped", "points": 15, "days": 30}
    assert not fires(when, sank(kind="score_dropped", score=50.0, from_score=65.0, by_model=-5.0))
    assert fires(when, sank(kind="score_dropped", score=50.0, from_score=60.0, by_model=5.0))


def test_a_signal_sets_it_off_when_a_reading_is_beyond_the_border_and_the_one_before_was_not() -> None:
    signal = new_id()
    when = {"kind": "signal_crossed", "signal": str(signal), "below": 10}

    def reading(value: float, before: float | None, of: UUID = signal) -> TriggerEvent:
        return TriggerEvent(
            kind="signal_crossed", customer_id=new_id(), at=NOON, signal=of, value=value, from_value=before
        )

    assert fires(when, reading(9.9, 10))
    assert not fires(when, reading(9, 9.9)), "it was beyond already"
    assert not fires(when, reading(10, 11)), "at the border is not beyond it"
    assert not fires(when, reading(9, None)), "a first reading crosses nothing"
    assert not fires(when, reading(9, 11, of=new_id())), "another signal"
    assert fires({"kind": "signal_crossed", "signal": str(signal), "above": 3}, reading(4, 3))


def test_a_segment_sets_it_off_if_it_is_named() -> None:
    entered = TriggerEvent(kind="segment_entered", customer_id=new_id(), at=NOON, segment="office")
    assert fires({"kind": "segment_entered", "segments": ["office"]}, entered)
    assert not fires({"kind": "segment_entered", "segments": ["home"]}, entered)


def test_one_that_waits_for_what_nobody_publishes_is_accepted_and_says_so() -> None:
    when = {"kind": "detractor"}
    it, _ = Playbook.draft(id=new_id(), at=NOON, title="Detractors", document=document(when=when))
    assert not it.fires
    assert it.fires_not is not None
    assert it.fires_not.endswith(" yet.")
    assert not fires(when, sank(kind=when["kind"]))


# For whom


def test_everybody_is_meant_but_for_customers_that_stand_for_many() -> None:
    plan, trigger_event = Plan.from_document(document()), sank()
    known = CustomerAt(trigger_event.customer_id, trigger_event.at)
    assert runs(plan, trigger_event)
    assert runs(plan, trigger_event, customers={known: Customer(tags=frozenset({"key"}))})
    assert not runs(plan, trigger_event, customers={known: Customer(tags=frozenset({"unidentified"}))})


def test_every_kind_of_the_audience_must_match_by_any_of_its_values() -> None:
    audience = {"segments": ["office", "home"], "tiers": ["gold"], "tags": ["key", "press"]}
    plan, trigger_event = Plan.from_document(document(audience=audience)), sank()

    def has(customer: Customer) -> bool:
        return bool(
            runs(plan, trigger_event, customers={CustomerAt(trigger_event.customer_id, trigger_event.at): customer})
        )

    assert has(Customer("home", "gold", tags=frozenset({"press", "other"})))
    assert not has(Customer("home", "silver", tags=frozenset({"press"})))
    assert not has(Customer("shop", "gold", tags=frozenset({"press"})))
    assert not has(Customer("home", "gold"))
    assert not has(Customer())


# How often


def test_a_customer_is_left_in_peace_during_the_cool_down_and_not_after_it() -> None:
    plan, customer = Plan.from_document(document(cool_down_days=30)), new_id()
    firing = Firing(PLAYBOOK, plan)
    days = [firing.take([sank(customer_id=customer, at=NOON + timedelta(days=day))], {}) for day in (0, 29, 30, 31, 60)]
    assert [len(found) for found in days] == [1, 0, 1, 0, 1]
    assert firing.cooled_down == 2


def test_the_cool_down_of_one_customer_is_not_that_of_another() -> None:
    assert len(runs(Plan.from_document(document()), sank(), sank())) == 2


def test_what_arrives_late_does_not_set_it_off_shortly_before_a_run_there_was() -> None:
    plan, customer = Plan.from_document(document(cool_down_days=30)), new_id()
    firing = Firing(PLAYBOOK, plan, {customer: [NOON]})
    assert not firing.take([sank(customer_id=customer, at=NOON - timedelta(days=1))], {})
    assert firing.take([sank(customer_id=customer, at=NOON - timedelta(days=30))], {})


def test_the_same_trigger_twice_is_one_run_even_without_a_cool_down() -> None:
    plan, trigger_event = Plan.from_document(document(cool_down_days=0)), sank()
    assert len(runs(plan, trigger_event, trigger_event)) == 1
    assert runs(plan, trigger_event)[0].id == runs(plan, trigger_event)[0].id


def test_a_cool_down_shorter_than_what_is_looked_back_for_is_refused() -> None:
    with pytest.raises(Invalid, match="over 30 days") as refused:
        Plan.from_document(document(when={"kind": "score_dropped", "points": 15, "days": 30}, cool_down_days=29))
    assert refused.value.field == "document.cool_down_days"


def test_beyond_the_limit_of_a_day_runs_are_suppressed_with_the_reason() -> None:
    plan = Plan.from_document(document(limit_per_day=2))
    found = runs(plan, *(sank(at=NOON + timedelta(minutes=n)) for n in range(4)), sank(at=NOON + timedelta(days=1)))
    assert [run.state for run in found] == ["requested", "requested", "suppressed", "suppressed", "requested"]
    assert found[2].reason == "2 runs of 2026-03-01 were there already, the limit of a day."


def test_a_suppressed_run_did_nothing_and_so_begins_no_cool_down() -> None:
    plan, late = Plan.from_document(document(limit_per_day=1)), new_id()
    found = runs(
        plan, sank(), sank(customer_id=late, at=NOON + timedelta(1e-5)), sank(customer_id=late, at=NOON + timedelta(1))
    )
    assert [run.state for run in found] == ["requested", "suppressed", "requested"]


# Who is left alone


def test_the_share_that_is_left_alone_is_as_large_as_was_said() -> None:
    customers = [new_id() for _ in range(20_000)]
    for share in (0.1, 0.5, 0.9):
        alone = sum(is_control(PLAYBOOK, each, share) for each in customers) / len(customers)
        assert alone == pytest.approx(share, abs=5 * (share * (1 - share) / len(customers)) ** 0.5)
    assert not any(is_control(PLAYBOOK, each, 0) for each in customers)


def test_who_is_left_alone_stays_so_and_a_larger_share_keeps_the_ones_of_a_smaller_one() -> None:
    customers = [new_id() for _ in range(500)]
    small = {each for each in customers if is_control(PLAYBOOK, each, 0.2)}
    assert small == {each for each in customers if is_control(PLAYBOOK, each, 0.2)}
    assert small < {each for each in customers if is_control(PLAYBOOK, each, 0.4)}


def test_another_playbook_leaves_others_alone() -> None:
    customers, other = [new_id() for _ in range(2000)], new_id()
    both = sum(is_control(PLAYBOOK, each, 0.5) and is_control(other, each, 0.5) for each in customers)
    assert both / len(customers) == pytest.approx(0.25, abs=0.05)


def test_a_run_of_who_is_left_alone_asks_for_nothing_but_cools_down_and_counts() -> None:
    plan = Plan.from_document(document(control_share=0.5, limit_per_day=1000))
    alone = next(id for id in iter(new_id, None) if is_control(PLAYBOOK, id, 0.5))
    firing = Firing(PLAYBOOK, plan)
    (run,) = firing.take([sank(customer_id=alone)], {})
    assert (run.state, run.is_control) == (RunState.LEFT_ALONE, True)
    assert firing.take([sank(customer_id=alone, at=NOON + timedelta(days=1))], {}) == []
    assert firing.runs_of_day == {NOON.date(): 1}


# What is requested


def test_a_task_is_due_so_many_days_after_and_of_the_customers_owner_unless_one_is_named() -> None:
    task, named, case = Plan.from_document(
        document(
            actions=[
                {"kind": "task", "title": "Call", "due_in_days": 3},
                {"kind": "task", "title": "Call", "owner": "019ca000-0000-7000-8000-000000000009"},
                {"kind": "case", "title": "Look after them"},
            ]
        )
    ).actions
    assert task.due_at(NOON) == NOON + timedelta(days=3)
    assert named.due_at(NOON) is None
    assert [each.owner_for(Customer(owner="ada")) for each in (task, named, case)] == [
        "ada",
        "019ca000-0000-7000-8000-000000000009",
        None,
    ]


def test_an_actions_id_is_the_same_whenever_it_is_requested() -> None:
    run = new_id()
    assert action_id(run, 0) == action_id(run, 0)
    assert len({action_id(run, 0), action_id(run, 1), action_id(new_id(), 0)}) == 3


# What it is


def drafted() -> Playbook:
    it, _ = Playbook.draft(id=PLAYBOOK, at=NOON, title="Sinking", document=document())
    it.created_at = it.updated_at = NOON
    return it


def test_it_is_started_stopped_and_started_again() -> None:
    it = drafted()
    assert it.state is PlaybookState.DRAFT
    it.start(at=NOON)
    assert (it.state, it.started_at) == (PlaybookState.STARTED, NOON)
    with pytest.raises(PlaybookIsStarted):
        it.start(at=NOON)
    it.stop(at=NOON)
    with pytest.raises(PlaybookNotStarted):
        it.stop(at=NOON)
    it.start(at=NOON + timedelta(days=1))
    assert it.started_at == NOON + timedelta(days=1)


def test_it_is_not_revised_while_it_acts() -> None:
    it = drafted()
    it.revise(at=NOON, title="Sunk")
    it.start(at=NOON)
    with pytest.raises(PlaybookIsStarted, match="Stop it"):
        it.revise(at=NOON, title="Sinking")
    it.stop(at=NOON)
    it.revise(at=NOON, document=document(when={"kind": "detractor"}))
    assert not it.fires


def test_a_band_or_a_better_one_is_success() -> None:
    outcome = Plan.from_document(document(outcome={"kind": "band_at_least", "band": "steady", "days": 30})).outcome
    assert outcome is not None
    assert [outcome.is_met_by(band) for band in ("at_risk", "steady", "healthy", None)] == [False, True, True, False]
    assert outcome.settles_at(NOON) == NOON + timedelta(days=30)
