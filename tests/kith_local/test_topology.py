from pathlib import Path

import pytest

from analytics.reconciliation.fetching import missing
from analytics.settings import AnalyticsSettings
from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.plan import Plan
from kith_local.topology import DATABASES, plan_for


def planned(**environment: str) -> Plan:
    return plan_for(Layout.of({"KITH_HOME": "/nowhere", **environment}), environment)


def test_every_service_has_an_api_and_a_worker() -> None:
    assert [part.name for part in planned().parts] == [
        "contacts-api",
        "contacts-worker",
        "sales-api",
        "sales-worker",
        "service-desk-api",
        "service-desk-worker",
        "analytics-api",
        "analytics-worker",
    ]


def test_every_process_has_a_metrics_port_of_its_own() -> None:
    given = [part.environment["KITH_METRICS_PORT"] for part in planned().parts]
    assert given == [str(8100 + n) for n in range(1, 9)]


def test_embedded_is_the_default() -> None:
    assert [server.name for server in planned().infrastructure] == ["postgres"]


def test_a_database_of_the_callers_own_is_not_started_here() -> None:
    given = dict.fromkeys(DATABASES, "postgresql://elsewhere/kith")
    assert planned(**given).infrastructure == []


def test_an_issuer_of_the_callers_own_is_not_started_here() -> None:
    house = planned(KITH_ISSUER_URL="https://id.example")
    assert [part.name for part in house.early] == ["gateway"]
    assert "KITH_ISSUER_URL" not in house.environment
    assert "KITH_CLIENT_FILE" not in house.environment


def test_all_that_reconciling_takes_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    house = plan_for(Layout(tmp_path, "embedded"), {})
    for name, value in {"KITH_DATABASE_URL_ANALYTICS": "postgresql:///none", **house.environment}.items():
        monkeypatch.setenv(name, value)
    client = Path(house.environment["KITH_CLIENT_FILE"])
    client.parent.mkdir(parents=True)
    client.touch()  # the issuer makes it
    settings = AnalyticsSettings()  # from the environment
    assert missing(settings) == []
    desk = next(part for part in house.parts if part.name == "service-desk-api")
    assert desk.url == f"{settings.url_service_desk}/docs"


def test_an_unknown_bus_is_refused() -> None:
    with pytest.raises(LocalError, match="BUS=rabbit"):
        Layout.of({"BUS": "rabbit"})


def test_each_bus_keeps_data_of_its_own() -> None:
    folders = {Layout(Path("/k"), "embedded").data, Layout(Path("/k"), "kafka").data}
    assert len(folders) == 2
