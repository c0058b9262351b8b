"""A document that breaks a rule is refused in words that lead to the spot: the measure, the field, the rule."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from analytics.health.model.cli import as_text
from analytics.health.model.definition import Audience, HealthModel
from analytics.health.model.documents import HealthModelDocument, as_kept, json_schema
from analytics.health.model.form import ready_made
from analytics.health.model.gallery import GALLERY
from analytics.health.model.inputs import INPUTS
from kith.http.problems import of_validation_error
from kith.ids import new_id

ROOT = Path(__file__).parents[4]
GOOD: dict[str, Any] = {
    "title": "Retail",
    "measures": [
        {"id": "recency", "title": "Recency", "input": "purchase_recency", "weight": 2, "curve": [[0, 100], [90, 0]]},
        {"id": "answers", "title": "Answers", "input": "engagement", "weight": 1, "curve": [[0, 0], [6, 100]]},
    ],
}
SIGNAL = "019ca000-0000-7000-8000-000000000004"


def changed(index: int | None = None, **fields: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    (document if index is None else document["measures"][index]).update(fields)
    return document


def refusals(document: Any) -> dict[str, str]:
    """Sent as JSON over REST, and read already over GraphQL: they must be refused alike."""
    with pytest.raises(ValidationError) as sent:
        HealthModelDocument.model_validate_json(json.dumps(document))
    with pytest.raises(ValidationError) as read:
        HealthModelDocument.model_validate(document)
    assert of_validation_error(sent.value) == of_validation_error(read.value)
    return {each["field"]: each["rule"] for each in of_validation_error(sent.value)["errors"]}


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"curve": [[0, 100], [0, 50]]}, "curve", "points must rise in x, by a millionth at least"),
        ({"curve": [[9, 100], [0, 50]]}, "curve", "points must rise in x, by a millionth at least"),
        ({"curve": [[0, 101], [9, 50]]}, "curve", "points must lie from 0 to 100 in y"),
        ({"curve": [[0, 100]]}, "curve", "at least 2 items"),
        ({"curve": [[0, 100], [1]]}, "curve.1", "at least 2 items"),
        ({"weight": 0}, "weight", "greater than or equal to 0.001"),
        ({"weight": "2"}, "weight", "valid number"),
        ({"input": "orderz"}, "input", "It is one of breadth, ces"),
        ({"id": "Recency!"}, "id", "a letter first"),
        ({"absence": "none"}, "absence", "'left_out', 'neutral' or 'zero'"),
        ({"colour": "red"}, "colour", "not permitted"),
        ({"window_days": 30}, "window_days", "purchase_recency takes none. It takes: where."),
        ({"signal": SIGNAL}, "signal", "purchase_recency takes none"),
        ({"values": {"gold": 1}}, "values", "purchase_recency takes none"),
        ({"aggregate": "sum"}, "aggregate", "purchase_recency takes none"),
        ({"where": {"colour": ["red"]}}, "where", "its events have no colour. They have: country, currency"),
        ({"where": {"country": []}}, "where.country", "at least 1 item"),
        ({"where": {"country": ["NL", "NL"]}}, "where.country", "each is named once"),
        ({"input": "orders", "window_days": 30, "half_life_days": 9}, "half_life_days", "not both"),
        ({"input": "orders", "window_days": 0}, "window_days", "greater than or equal to 0.01"),
        (
            {"input": "orders", "stale_after_days": 9},
            "stale_after_days",
            "It takes: half_life_days, where, window_days",
        ),
        ({"input": "signal"}, "signal", "The input `signal` needs the id of a signal (see /v1/signals)."),
        ({"input": "signal", "signal": "seats"}, "signal", "It is a UUID"),
        ({"input": "signal", "signal": SIGNAL, "window_days": 9}, "window_days", "signal takes none"),
        ({"input": "loyalty_tier"}, "values", "The input `loyalty_tier` needs what each of its words is worth"),
        ({"input": "seat_growth"}, "window_days", "The input `seat_growth` needs a window"),
    ],
)
def test_a_wrong_measure_is_named_with_its_field_and_the_rule(fields: dict[str, Any], field: str, rule: str) -> None:
    found = refusals(changed(0, **fields))
    id = fields.get("id", "recency")
    assert list(found) == [f"measures.{id}.{field}"]
    assert rule in found[f"measures.{id}.{field}"]


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"measures": []}, "measures", "at least 1 item"),
        ({"measures": [GOOD["measures"][0]] * 2}, "measures", "ids must differ: recency is there 2 times"),
        ({"measures": [7]}, "measures.0", "valid dictionary"),
        ({"bands": {"steady": 70, "healthy": 70}}, "bands.healthy", "must be above steady, which is 70"),
        ({"bands": {"steady": 0, "healthy": 70}}, "bands.steady", "greater than 0"),
        ({"bands": {"steady": 40, "healthy": 101}}, "bands.healthy", "less than or equal to 100"),
        ({"hysteresis": 15}, "hysteresis", "less than half of what lies between the borders, 15"),
        ({"hysteresis": 21}, "hysteresis", "less than or equal to 20"),
        ({"bands": {"steady": 3, "healthy": 50}, "hysteresis": 3}, "hysteresis", "or nobody sinks to at_risk"),
        ({"bands": {"steady": 40, "healthy": 99}, "hysteresis": 2}, "hysteresis", "must be 1 at most"),
        ({"audience": {"segments": ["a", "a"]}}, "audience.segments", "each is named once"),
        ({"audience": {"countries": ["NL"]}}, "audience.countries", "not permitted"),
        ({"title": " "}, "title", "at least 1 character"),
    ],
)
def test_what_is_wrong_with_the_whole_is_named_too(fields: dict[str, Any], field: str, rule: str) -> None:
    found = refusals(changed(**fields))
    assert list(found) == [field]
    assert rule in found[field]


def test_all_that_is_wrong_is_reported_at_once() -> None:
    document = changed(0, weight=-1, curve=[[1, 0], [0, 0]])
    document["measures"][1]["input"] = "mood"
    assert set(refusals(document)) == {"measures.recency.weight", "measures.answers.input"}


def test_measures_of_one_id_are_named_by_their_indexes() -> None:
    document = changed(0, weight=-1)
    document["measures"].append({**document["measures"][0], "curve": []})
    found = refusals(document)
    assert set(found) == {"measures", "measures.0.weight", "measures.2.weight", "measures.2.curve"}
    assert found["measures"] == "ids must differ: recency is there 2 times"


def test_a_document_is_kept_with_all_that_holds() -> None:
    kept = as_kept(HealthModelDocument.model_validate(GOOD))
    assert (kept["bands"], kept["hysteresis"]) == ({"steady": 40, "healthy": 70}, 2)
    assert kept["measures"][0]["absence"] == "left_out"
    assert as_kept(HealthModelDocument.model_validate(kept)) == kept


@pytest.mark.parametrize("name", GALLERY)
def test_a_ready_made_model_holds_to_the_rules_and_can_score(name: str) -> None:
    document = ready_made(name)
    assert sum(measure.weight for measure in document.measures) == pytest.approx(1)
    model = HealthModel.from_document("ready", 1, as_kept(document))
    assert [each.id for each in model.measures] == [each["id"] for each in GALLERY[name].document["measures"]]
    published = [each for each in document.measures if INPUTS[each.input].published]
    assert len(published) >= 3, "there is something to score today"


def test_the_schema_takes_what_is_taken() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for document in (GOOD, *(each.document for each in GALLERY.values())):
        validator.validate(json.loads(json.dumps(document)))
    for wrong in (changed(0, weight=0), changed(0, input="mood"), changed(0, colour="red"), changed(hysteresis=21)):
        assert not validator.is_valid(wrong)


def test_the_committed_schema_is_what_the_code_says() -> None:
    committed = (ROOT / "services/analytics/health-model.schema.json").read_text()
    assert committed == as_text(json_schema()), "make contracts writes it anew"


def test_a_model_that_cannot_be_read_is_for_its_audience_as_far_as_that_can() -> None:
    id = new_id()
    audience = {"tags": ["vip"], "tiers": 7, "custom": {"region": ["emea"], "site": 1}, "within": [str(id), "x"]}
    found = HealthModel.broken("m", 1, {"audience": audience}, "why").audience
    assert found == Audience(tags=frozenset(["vip"]), custom=(("region", frozenset(["emea"])),), within=frozenset([id]))
    for nothing in ({}, {"audience": 3}, {"audience": {"custom": ["x"], "within": "y"}}, None):
        assert HealthModel.broken("m", 1, nothing, "why").audience == Audience()
