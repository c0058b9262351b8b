from typing import Any

import pytest

from sales.lead_scoring.values import Scoring, ScoringOperator, ScoringRule


def rule(field: str, operator: str, *values: str, points: int = 10, key: str = "it") -> ScoringRule:
    return ScoringRule(key=key, field=field, operator=ScoringOperator(operator), values=[*values], points=points)


@pytest.mark.parametrize(
    ("held", "operator", "values", "matches"),
    [
        ("fair", "eq", ["fair"], True),
        (None, "eq", ["fair"], False),
        ("web", "ne", ["fair"], True),
        (None, "ne", ["fair"], True),
        ("web", "in", ["fair", "web"], True),
        ("web", "not_in", ["fair", "web"], False),
        (None, "not_in", ["fair"], True),
        ("Chef de rang", "prefix", ["Chef"], True),
        (None, "prefix", ["Chef"], False),
        ("12.50", "gte", ["12.5"], True),
        (3, "lte", ["2"], False),
        ("many", "gte", ["1"], False),
        (None, "lte", ["1"], False),
        (["a", "b"], "eq", ["b"], True),
        (True, "eq", ["true"], True),
        (None, "is_null", ["true"], True),
        ([], "is_null", ["true"], True),
        ("x", "is_null", ["true"], False),
        ("x", "is_null", ["false"], True),
    ],
)
def test_a_rule_compares_as_lists_do(held: Any, operator: str, values: list[str], matches: bool) -> None:
    assert rule("custom.it", operator, *values).matches({"custom.it": held}) is matches


def test_a_score_is_the_sum_of_what_matches_within_its_bounds() -> None:
    rules = [rule("source", "eq", "fair", points=80, key="a"), rule("source", "ne", "web", points=70, key="b")]
    score, reasons = Scoring(1, rules, most=100).score({"source": "fair"})
    assert (score, [each.rule for each in reasons]) == (100, ["a", "b"])
    assert Scoring(1, [rule("source", "eq", "fair", points=-5)]).score({"source": "fair"})[0] == 0


def test_a_threshold_is_reached_by_what_comes_to_it() -> None:
    scoring = Scoring(1, threshold=50)
    assert [scoring.is_reached(each) for each in (None, 49, 50)] == [False, False, True]
    assert not Scoring(1).is_reached(100)
