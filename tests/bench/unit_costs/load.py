"""The load of a tenant: customers, what is exchanged with them, and what is asked."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import msgspec
from tests.bench.unit_costs.house import TENANT, House
from tests.bench.unit_costs.meters import Counted, Meter

from kith.events.sales import OrderPlaced
from kith.ids import new_id

AT_ONCE = 8
TENANTS = 100
"""Besides the one that has all the rest."""
BULK = 5_000
CUSTOMERS, ORDERS, TOUCHPOINTS = 5_000, 15_000, 30_000
WRITES, COMMANDS, READS, ASKED = 1_500, 800, 800, 240

_PLACED = """
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, customer_id, time, recorded_at, data)
    VALUES ($1, $2, $3, $4, 1, $5, $6, $6, $7)
"""
_ORDERS = (
    "query Orders($first: Int!) { orders(first: $first) { nodes { id customerId value currency country createdAt } } }"
)
_ACROSS = """query Across($first: Int!) { customers(first: $first) { nodes {
    id name segment orders(first: 5) { nodes { id value currency } }
    cases(first: 5) { nodes { id state } } health { score band }
} } }"""


class Load:
    def __init__(self, house: House, meter: Meter) -> None:
        self._house, self._meter = house, meter
        self._chance = random.Random(1)
        self._keys = iter(range(10**9))
        self._others = [(f"bench-{number}", new_id()) for number in range(TENANTS)]
        self.customers: list[str] = []
        self.orders: list[str] = []

    async def fill(self) -> None:
        """By bulk requests. Nobody relays meanwhile."""
        async with self._meter.measured("bulk row: customer", "row") as counted:
            made = await self._bulk("contacts", "customers", (self._customer() for _ in range(CUSTOMERS)), counted)
            self.customers = [each["id"] for each in made]
        async with self._meter.measured("bulk row: touchpoint", "row") as counted:
            await self._bulk("contacts", "touchpoints", (self.touchpoint() for _ in range(TOUCHPOINTS)), counted)
        async with self._meter.measured("bulk row: order", "row") as counted:
            made = await self._bulk("sales", "orders", (self.order() for _ in range(ORDERS)), counted)
            self.orders = [each["id"] for each in made]

    async def write(self) -> None:
        """One record a request."""
        async with self._meter.measured("POST: order", "request") as counted:
            await self._each(counted, WRITES, lambda: self.post("sales", "/v1/orders", self.order()))
        async with self._meter.measured("POST: touchpoint", "request") as counted:
            await self._each(counted, WRITES, lambda: self.post("contacts", "/v1/touchpoints", self.touchpoint()))
        opened = [await self.post("sales", "/v1/opportunities", self._opportunity()) for _ in range(AT_ONCE)]
        mine = cycle([f"/v1/opportunities/{each['id']}:advance" for each in opened])
        stages = cycle([stage for stage in ("engaging", "proposing") for _ in range(AT_ONCE)])
        async with self._meter.measured("POST: opportunity advanced", "request") as counted:
            # In rounds: two at once of the same opportunity would be refused.
            for _ in range(COMMANDS // AT_ONCE):
                some = [(next(mine), next(stages)) for _ in range(AT_ONCE)]
                await asyncio.gather(*(self.post("sales", path, {"stage": stage}) for path, stage in some))
                counted.number += AT_ONCE

    async def read(self) -> None:
        async with self._meter.measured("GET: list of 50 orders", "request") as counted:
            await self._each(counted, READS, lambda: self._get("sales", "/v1/orders"))
        async with self._meter.measured("GET: one order", "request") as counted:
            await self._each(counted, READS, lambda: self._get("sales", f"/v1/orders/{self._any(self.orders)}"))
        async with self._meter.measured("GET: orders of a customer", "request") as counted:
            await self._each(
                counted, READS, lambda: self._get("sales", f"/v1/orders?customer_id={self._any(self.customers)}")
            )
        async with self._meter.measured("GET: health of a customer", "request") as counted:
            await self._each(
                counted, ASKED, lambda: self._get("analytics", f"/v1/customers/{self._any(self.customers)}/health")
            )
        async with self._meter.measured("GET: revenue of 12 months", "request") as counted:
            path = "/v1/metrics/revenue?from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&grain=month"
            await self._each(counted, ASKED, lambda: self._get("analytics", path))
        async with self._meter.measured("GraphQL: 50 orders, service alone", "request") as counted:
            await self._each(counted, ASKED, lambda: self._ask("sales", _ORDERS, 50))
        async with self._meter.measured("GraphQL: 50 orders, by the gateway", "request") as counted:
            await self._each(counted, ASKED, lambda: self._ask("gateway", _ORDERS, 50))
        async with self._meter.measured("GraphQL: 20 customers over four services", "request") as counted:
            await self._each(counted, ASKED // 3, lambda: self._ask("gateway", _ACROSS, 20))

    async def trickle(self, per_second: int, number: int, *, many: bool) -> AsyncIterator[int]:
        """Orders of the outbox alone, one in a transaction, evenly. Of the tenant that has all the rest, or of many in
        turn, of one customer each. Yields how many there are by then."""
        loop, data = (
            asyncio.get_running_loop(),
            msgspec.json.encode(OrderPlaced(value=Decimal("12.5000"), currency="EUR")),
        )
        connection = await self._house.connect("sales")
        try:
            began = loop.time()
            for done in range(number):
                await asyncio.sleep(began + done / per_second - loop.time())
                own = (TENANT, UUID(self._any(self.customers)))
                tenant, customer = self._others[done % TENANTS] if many else own
                now = datetime.now(UTC)
                await connection.execute(_PLACED, new_id(), tenant, OrderPlaced.type, new_id(), customer, now, data)
                yield done + 1
        finally:
            await connection.close()

    def order(self) -> dict[str, Any]:
        value = f"{self._chance.randrange(500, 50_000) / 100:.2f}"
        return {**self._of_customer(), "value": value, "currency": "EUR", "country": self._chance.choice(_COUNTRIES)}

    def touchpoint(self) -> dict[str, Any]:
        channel = self._chance.choice(("email", "phone", "visit"))
        return {**self._of_customer(), "channel": channel, "direction": "outbound", "outcome": "answered"}

    def _customer(self) -> dict[str, Any]:
        number = next(self._keys)
        country, segment = self._chance.choice(_COUNTRIES), self._chance.choice(_SEGMENTS)
        return {
            **self._occurred(start=800),
            "kind": "organisation",
            "name": f"Customer {number}",
            "country": country,
            "segment": segment,
        }

    def _opportunity(self) -> dict[str, Any]:
        return {"customer_id": self._any(self.customers), "name": "Lease", "value": "1000", "currency": "EUR"}

    def _of_customer(self) -> dict[str, Any]:
        return {**self._occurred(), "customer_id": self._any(self.customers)}

    def _occurred(self, start: int = 730) -> dict[str, str]:
        at = datetime.now(UTC) - timedelta(days=start * self._chance.random(), seconds=60)
        return {"occurred_at": at.isoformat()}

    def _any(self, ids: Sequence[str]) -> str:
        return self._chance.choice(ids)

    async def _bulk(
        self, service: str, noun: str, rows: Iterable[dict[str, Any]], counted: Counted
    ) -> list[dict[str, Any]]:
        done: list[dict[str, Any]] = []
        left = iter(rows)
        while some := list(islice(left, BULK)):
            body = {"rows": [{**row, "external_id": f"bench-{next(self._keys)}"} for row in some]}
            answer = await self.post(service, f"/v1/{noun}:bulk", body)
            refused = [each["problem"] for each in answer["results"] if each["status"] != "accepted"]
            assert not refused, refused[0]
            counted.number += len(some)
            done += answer["results"]
        return done

    async def _each(self, counted: Counted, times: int, once: Callable[[], Awaitable[Any]]) -> None:
        """So many times, some at once."""
        todo = iter(range(times))

        async def client() -> None:
            for _ in todo:
                await once()
                counted.number += 1

        await asyncio.gather(*(client() for _ in range(AT_ONCE)))

    async def post(self, service: str, path: str, body: Any) -> Any:
        return await self._request("POST", service, path, json=body)

    async def _get(self, service: str, path: str) -> Any:
        return await self._request("GET", service, path)

    async def _ask(self, service: str, query: str, about: int) -> Any:
        """Some more or fewer, as the gateway answers requests that are the same at a moment by one of its own."""
        variables = {"first": about + self._chance.randrange(-9, 10)}
        answer = await self.post(service, "/graphql", {"query": query, "variables": variables})
        assert "errors" not in answer, answer["errors"]
        return answer

    async def _request(self, method: str, service: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._house.token}"}
        answer = await self._house.http.request(method, f"{self._house.url(service)}{path}", headers=headers, **more)
        assert answer.is_success, answer.text[:500]
        return answer.json()


_COUNTRIES = ("DE", "FR", "NL", "ES", "PL", "SE")
_SEGMENTS = ("office", "home", "school")
