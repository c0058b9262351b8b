"""What the processes of a running Kith expose is what the page about it lists."""

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.house import House, Tenant

from kith_local.observability.exposed import Exposed, exposed
from kith_local.ports import OFFSETS, ports_of

PROCESSES = tuple(name for name in OFFSETS if name.startswith("metrics_"))


def scraped(house: House, process: str) -> dict[str, set[frozenset[str]]]:
    """The series of a process, each with the label sets that it has."""
    port = ports_of(house.environment)[process].number
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).raise_for_status().text
    found: dict[str, set[frozenset[str]]] = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("kith_"):
            for sample in family.samples:
                found.setdefault(sample.name, set()).add(frozenset(sample.labels))
    return found


def of_process(metric: Exposed, process: str) -> bool:
    service, _, kind = process.removeprefix("metrics_").rpartition("_")
    return {
        "APIs": kind == "api",
        "APIs, workers": True,
        "workers": kind == "worker",
        "analytics: API, worker": service == "analytics",
        "analytics: worker": process == "metrics_analytics_worker",
        "contacts: API, worker": service == "contacts",
        "contacts: worker, sales: worker, service-desk: worker": kind == "worker" and service != "analytics",
        "contacts: worker": process == "metrics_contacts_worker",
        "sales: API": process == "metrics_sales_api",
        "sales: worker": process == "metrics_sales_worker",
        "sales: worker, service-desk: worker": process in ("metrics_sales_worker", "metrics_service_desk_worker"),
        "service-desk: worker": process == "metrics_service_desk_worker",
        "gateway": process == "metrics_gateway",
    }[metric.by]


def test_every_process_exposes_what_the_page_says_with_its_labels(house: House, ours: Tenant) -> None:
    ours.post("contacts", "/v1/customers", {"kind": "organisation", "name": "Café Nordlys", "country": "NO"})
    ours.until_counted()
    everywhere: set[str] = set()
    for process in PROCESSES:
        found = scraped(house, process)
        listed = {name: labels for each in exposed() for name, labels in each.series().items()}
        created = {name for name in found if name.endswith("_created")}
        assert {name: labels for name, labels in found.items() if name not in created} == {
            name: {listed[name]} for name in found if name not in created
        }, process
        theirs = {name for each in exposed() if of_process(each, process) for name in each.series()}
        # A series without labels is there from the start, in processes that have no use for it, too.
        assert {name for name in found if listed.get(name)} <= theirs, process
        everywhere |= found.keys()
    assert {
        "kith_consumer_lag_seconds",
        "kith_consumer_halted",
        "kith_database_wait_seconds_bucket",
        "kith_freshness_seconds",
        "kith_gateway_requests_total",
        "kith_health_backlog_customers",
        "kith_http_request_seconds_bucket",
        "kith_ledger_events_total",
        "kith_outbox_oldest_unpublished_seconds",
        "kith_pipeline_opportunities",
        "kith_task_late_seconds",
    } <= everywhere
