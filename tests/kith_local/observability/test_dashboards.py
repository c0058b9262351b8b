"""Dashboards ask for metrics that there are, and their JSON is what Grafana takes."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
from tests.kith_local.observability.queries import mistakes

from analytics.health.model.definition import Band
from kith.events.catalogue import EVENTS
from kith_local.layout import ROOT
from kith_local.observability.business_dashboard import BUSINESS
from kith_local.observability.dashboard import WIDTH, Dashboard
from kith_local.observability.exposed import exposed
from kith_local.observability.platform_dashboard import PLATFORM

DASHBOARDS = (PLATFORM, BUSINESS)
dashboards = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.uid)


@dashboards
def test_a_dashboard_asks_only_for_what_is_exposed(dashboard: Dashboard) -> None:
    assert [each for query in dashboard.queries() for each in mistakes(query)] == []


def test_event_types_and_bands_are_real_ones() -> None:
    queries = "\n".join(BUSINESS.queries())
    types = set(re.findall(r'type="([^"]+)"', queries))
    assert types
    assert types <= EVENTS.keys()
    assert set(re.findall(r'band="([^"]+)"', queries)) <= set(Band)


def test_every_metric_is_on_a_dashboard_or_left_out_on_purpose() -> None:
    queries = "\n".join(query for each in DASHBOARDS for query in each.queries())
    assert {each.name for each in exposed() if each.name not in queries} == {
        "kith_audit_lost_total",  # these have an alert, and are zero otherwise
        "kith_audit_waiting_entries",
        "kith_connections_cut_total",
        "kith_gateway_connections_refused_total",
        "kith_gateway_deaths_total",
        "kith_gateway_faults_total",
        "kith_live_connections_refused_total",
        "kith_offload_lost_total",
        "kith_outbox_interruptions_total",
        "kith_consumer_batch_events",  # for a look at one process
        "kith_consumer_dead_letters_total",
        "kith_consumer_dropped_total",
        "kith_consumer_event_age_seconds",
        "kith_duplicate_tokens_left_out_total",
        "kith_gateway_query_cost",
        "kith_graphql_refused_total",
        "kith_ledger_withdrawn_events_total",
        "kith_outbox_set_aside_total",
        "kith_requests_queued_total",
    }


@dashboards
def test_the_committed_json_has_a_panel_for_each_and_none_covers_another(dashboard: Dashboard) -> None:
    written: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / f"{dashboard.uid}.json").read_text())
    assert (written["uid"], written["title"]) == (dashboard.uid, dashboard.title)
    panels = [each for each in written["panels"] if each["type"] != "row"]
    assert [target["expr"] for panel in panels for target in panel["targets"]] == list(dashboard.queries())
    assert all(target["datasource"]["uid"] == "${datasource}" for panel in panels for target in panel["targets"])
    places = [each["gridPos"] for each in written["panels"]]
    assert len({each["id"] for each in written["panels"]}) == len(places)
    for place in places:
        assert place["x"] + place["w"] <= WIDTH
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
