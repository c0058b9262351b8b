"""A house of four fake services behind httpx."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

RECORDED = datetime(2026, 1, 1, tzinfo=UTC)
URLS = {service: f"http://{service}" for service in ("contacts", "sales", "service-desk", "analytics")}


@dataclass
class House:
    """Responds as the services do: a row sent again is unchanged, and what is accepted is one event in the ledger."""

    seen: dict[tuple[str, ...], Any] = field(default_factory=dict)
    ids: dict[tuple[str, str], UUID] = field(default_factory=dict)
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    failures: list[Callable[[], httpx.Response]] = field(default_factory=list)
    """The next answers, before it answers properly."""
    refused: Callable[[dict[str, Any]], bool] = lambda _: False
    counted_up_to: datetime | None = RECORDED
    events: int = 0
    events_per_look: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests[request.url.path] += 1
        if self.failures:
            return self.failures.pop(0)()
        if request.url.path == "/v1/freshness":
            up_to = self.counted_up_to and self.counted_up_to.isoformat()
            return httpx.Response(200, json={"sources": [{"source": each, "counted_up_to": up_to} for each in URLS]})
        if request.url.path == "/v1/ledger":
            self.events += self.events_per_look
            by_type = {"sales.order.placed.v1": self.events, "analytics.health.changed.v1": 7}
            return httpx.Response(200, json={"events": self.events + 7, "by_type": by_type})
        return self._bulk(request.url.path, json.loads(request.content)["rows"])

    def _bulk(self, path: str, rows: list[dict[str, Any]]) -> httpx.Response:
        results = [self._row(index, path, row) for index, row in enumerate(rows)]
        counts = Counter(result["status"] for result in results)
        self.events += counts["accepted"]
        body = {
            "results": results,
            **{status: counts[status] for status in ("accepted", "unchanged", "rejected")},
            "events": counts["accepted"],
        }
        return httpx.Response(200, json=body, headers={"Kith-Position": f"{_source(path)}@{RECORDED.isoformat()}"})

    def _row(self, index: int, path: str, row: dict[str, Any]) -> dict[str, Any]:
        external_id, command = row["external_id"], row.get("command", "")
        self.rows.append((path, row))
        result = {"index": index, "external_id": external_id, "id": None, "version": None, "problem": None}
        if self.refused(row):
            problem = {
                "type": "urn:kith:problem:invalid",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "Not accepted: value.",
                "errors": [{"field": "value", "rule": "Input should be greater than or equal to 0"}],
            }
            return result | {"status": "rejected", "problem": problem}
        key = (path, external_id, command, row["occurred_at"] if command else "")
        status = "unchanged" if self.seen.get(key) == row else "accepted"
        self.seen[key] = row
        id = self.ids.setdefault((path, external_id), uuid4())
        return result | {"status": status, "id": str(id), "version": 1}

    def sent_to(self, plural: str) -> list[dict[str, Any]]:
        return [row for path, row in self.rows if path == f"/v1/{plural}:bulk"]


def _source(path: str) -> str:
    """By the noun: a test may have moved the services to other addresses."""
    return "contacts" if "customers" in path else "sales"


class Silent:
    """A progress that records what was reported."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, int]] = []
        self.done = 0

    def begin(self, what: str, total: int) -> None:
        self.reported.append((what, total))

    def advance(self, done: int) -> None:
        self.done += done
