"""Alerts name metrics that there are, and say what to do. `make check-rules` shows that they fire in their examples."""

import re
from collections import Counter

import pytest
import yaml
from tests.kith_local.observability.queries import mistakes

from kith_local.layout import ROOT
from kith_local.observability.alert import Alert, Record
from kith_local.observability.rule_files import GROUPS, alerts, objectives, runbook

ALERTS = tuple(alerts())
FOLDER = ROOT / "deploy" / "prometheus"
SECTIONS = ["## Look at", "## Do", "## Do not"]


def test_rules_name_only_what_is_exposed() -> None:
    assert [each for group in GROUPS for rule in group.rules for each in mistakes(rule.expr)] == []


@pytest.mark.parametrize(
    ("expr", "mistake"),
    [
        ("max(kith_consumer_lag_second)", "nobody exposes it"),
        ('kith_consumer_lag_seconds{service="sales"}', "no label service"),
        ("max by (service) (kith_consumer_lag_seconds)", "nothing in it has the label service"),
        ("kith:freshness:fresh", "nobody exposes it"),
        ("1 > 0", "names no metric"),
    ],
)
def test_a_query_that_names_what_nobody_exposes_is_found(expr: str, mistake: str) -> None:
    assert any(mistake in each for each in mistakes(expr))


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} == {each.name for each in ALERTS}


@pytest.mark.parametrize("name", sorted({each.name for each in ALERTS}))
def test_a_runbook_says_what_it_means_what_to_look_at_what_to_do_and_what_not(name: str) -> None:
    text = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n\n")
    assert re.findall(r"^## .+$", text, re.MULTILINE) == SECTIONS
    assert all(part.strip() for part in re.split(r"^#.+$", text, flags=re.MULTILINE)[1:]), "an empty section"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: f"{each.name}-{each.severity}")
def test_a_description_names_only_labels_that_the_alert_has(alert: Alert) -> None:
    assert set(re.findall(r"\$labels\.(\w+)", alert.description)) <= alert.labels.keys()


def test_the_committed_rules_point_to_the_runbooks() -> None:
    written = yaml.safe_load((FOLDER / "kith.rules.yml").read_text())
    rules = [rule for group in written["groups"] for rule in group["rules"] if "alert" in rule]
    assert Counter(rule["alert"] for rule in rules) == Counter(each.name for each in ALERTS)
    for rule in rules:
        assert (ROOT / rule["annotations"]["runbook"]).exists()
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_recorded_series_have_one_rule_each() -> None:
    recorded = [rule.record for group in GROUPS for rule in group.rules if isinstance(rule, Record)]
    assert len(recorded) == len(set(recorded))


def test_the_objectives_are_as_their_page_says() -> None:
    assert objectives() in (ROOT / "docs" / "slo.md").read_text()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: f"{each.name}-{each.severity}")
def test_the_page_lists_every_alert(alert: Alert) -> None:
    assert f"]({runbook(alert).removeprefix('docs/')})" in (ROOT / "docs" / "observability.md").read_text()
