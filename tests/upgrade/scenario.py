"""The data of a frozen house: a year and a half of a tenant's customers, sent to the APIs in three chapters.

A seed draws them, at fixed instants of the past: two runs differ only in ids and in when events were recorded.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.upgrade.house import House
from tests.upgrade.merges import merge, unmerge

from kith.testing import Answer, Tenant

BEGIN, END = datetime(2025, 1, 6, 9, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)
PLAYBOOKS_START = BEGIN + timedelta(days=300)
SERVICE_OF = {
    **dict.fromkeys(("users", "customers", "contacts", "touchpoints", "settings"), "contacts"),
    **dict.fromkeys(("products", "opportunities", "orders", "returns", "tasks"), "sales"),
    **dict.fromkeys(("cases",), "service-desk"),
    **dict.fromkeys(("health-models", "signals", "readings", "pulses", "playbooks"), "analytics"),
}
USERS = ("ann", "bob", "eve", "joe")
STAGES = ("engaging", "proposing", "negotiating")


def model(title: str, lasts: int, **fields: Any) -> dict[str, Any]:
    measures: list[tuple[str, str, float, list[list[int]], dict[str, Any]]] = [
        ("recency", "purchase_recency", 0.4, [[0, 100], [lasts, 40], [2 * lasts, 0]], {"group": "purchases"}),
        ("spent", "revenue", 0.2, [[0, 0], [200, 60], [1000, 100]], {"half_life_days": 90, "group": "purchases"}),
        ("open_cases", "open_cases", 0.5, [[0, 100], [1, 50], [3, 0]], {"group": "service"}),
        ("answers", "engagement", 0.1, [[0, 30], [2, 100]], {"where": {"direction": ["inbound"]}}),
        ("pulse", "pulse", 0.1, [[0, 0], [100, 100]], {}),
        ("tier", "loyalty_tier", 0.05, [[1, 50], [3, 100]], {"values": {"gold": 3, "silver": 2}}),
    ]
    made = [{"id": id, "title": id, "input": input, "weight": weight, "curve": curve, **more}
            for id, input, weight, curve, more in measures]  # fmt: skip
    return {"title": title, "measures": [*made, *fields.pop("more", [])], "hysteresis": 2, **fields}


def purchases(chance: random.Random, at: datetime) -> Iterator[tuple[datetime, str]]:
    """Of one customer from an instant on: when and for how much; after each some leave for good."""
    gap, leaves = 15 + chance.expovariate(1 / 60), chance.choice((0.05, 0.15, 0.4))
    spends = 400 / chance.gammavariate(3, 2)
    while at < END:
        yield at, str(round(Decimal(chance.gammavariate(4, spends / 4)) + 1, 2))
        if chance.random() < leaves:
            return
        at += timedelta(days=3 + chance.expovariate(1 / gap))


def money(chance: random.Random, least: int, most: int) -> str:
    return str(Decimal(chance.randrange(least * 100, most * 100)) / 100)


@dataclass
class Scenario:
    """Of one tenant."""

    house: House
    name: str
    customers: int
    chance: random.Random
    currency: str
    ids: dict[str, list[str]] = field(default_factory=dict)
    """By noun, in the order in which they were made."""
    times: dict[str, datetime] = field(default_factory=dict)
    """When an aggregate was last changed."""
    merged: list[str] = field(default_factory=list)

    def api(self, service: str) -> Tenant:
        return self.house.tenant(service, self.name)

    def day(self, first: int = 0, last: int = 520) -> datetime:
        return BEGIN + timedelta(days=self.chance.randrange(first, last), minutes=self.chance.randrange(600))

    def user(self, name: str) -> str:
        return self.ids["users"][USERS.index(name)]

    async def make(self, noun: str, at: datetime, **body: object) -> str:
        given = {key: value for key, value in body.items() if value is not None}
        made = await self.api(SERVICE_OF[noun]).made(f"/v1/{noun}", occurred_at=at.isoformat(), **given)
        self.ids.setdefault(noun, []).append(made["id"])
        self.times[made["id"]] = at
        return str(made["id"])

    async def act(self, noun: str, id: str, verb: str, hours: float = 24, **body: object) -> Answer:
        """So many hours after the last that happened to it."""
        self.times[id] = min(self.times[id] + timedelta(hours=hours), datetime.now(UTC))
        answer = await self.api(SERVICE_OF[noun]).post(
            f"/v1/{noun}/{id}:{verb}", {"occurred_at": self.times[id].isoformat(), **body}
        )
        assert answer.status_code == 200, (noun, verb, answer.text)
        found: Answer = answer.json()
        return found

    async def settings(self, at: datetime, **body: object) -> None:
        answer = await self.api("contacts").post("/v1/settings:amend", {"occurred_at": at.isoformat(), **body})
        assert answer.status_code == 200, answer.text

    async def first(self) -> None:
        """How the tenant has set things up, and a year of its customers."""
        await self.settings(BEGIN, time_zone="Europe/Vienna", currency=self.currency)
        for name in USERS:
            await self.make("users", BEGIN, name=name, email=f"{name}@example.com")
        signal = await self.make("signals", BEGIN, code="logins", title="Logins in a week", unit="logins")
        await self.make("signals", BEGIN, code="errors", title="Errors seen", description="by the product itself")
        await self._models(signal)
        await self._playbooks(signal)
        for number in range(3):
            price = money(self.chance, 20, 90)
            await self.make("products", BEGIN, name=f"Kiln {number}", family="kilns", price=price, currency="EUR")
        for number in range(self.customers):
            await self._customer(number)
        for customer in self.ids["customers"]:
            await self._dealings(customer)
        await self._service()
        for customer in self.ids["customers"][-2:]:  # who is well now
            now = datetime.now(UTC)
            await self.make("touchpoints", now, customer_id=customer, channel="phone", direction="inbound")
            for _ in range(3):
                await self.make("orders", now, customer_id=customer, value="300.00", currency=self.currency)

    async def _models(self, signal: str) -> None:
        logins = {"id": "logins", "title": "Logins", "input": "signal", "signal": signal, "weight": 0.3,
                  "curve": [[0, 0], [10, 100]], "aggregate": "mean", "window_days": 120}  # fmt: skip
        for document in (
            model("Everybody", 60),
            model("Smiths", 120, audience={"segments": ["smith"]}, more=[logins]),
            model("Never in force", 90),
        ):
            await self.make("health-models", BEGIN, document=document)
        for id in self.ids["health-models"][:2]:
            await self.act("health-models", id, "publish")

    async def _playbooks(self, signal: str) -> None:
        task = {"kind": "task", "title": "Call them", "due_in_days": 3}
        case = {"kind": "case", "title": "Look after them", "priority": "high", "queue": "care"}
        bought = {"kind": "purchase", "days": 60}
        for title, document in {
            "Smiths": {
                "when": {"kind": "segment_entered", "segments": ["smith"]},
                "actions": [task], "control_share": 0.5, "outcome": bought,
            },
            "Late": {
                "when": {"kind": "sla_breached"}, "actions": [case, {"kind": "webhook", "title": "Late"}],
                "outcome": {"kind": "active", "days": 30}, "cool_down_days": 7,
            },
            "Logins fell": {
                "when": {"kind": "signal_crossed", "signal": signal, "below": 4}, "actions": [task],
                "outcome": {"kind": "band_at_least", "band": "steady", "days": 20}, "limit_per_day": 2,
            },
            "Sinking": {"when": {"kind": "band_changed", "to": ["steady", "at_risk"]}, "actions": [task, case]},
        }.items():  # fmt: skip
            id = await self.make("playbooks", PLAYBOOKS_START, title=title, document=document)
            await self.act("playbooks", id, "start", 0)
        await self.make("playbooks", PLAYBOOKS_START, title="A draft", document={
            "when": {"kind": "score_dropped", "points": 10, "days": 30}, "actions": [task]})  # fmt: skip

    async def _customer(self, number: int) -> None:
        chance, known = self.chance, self.ids.get("customers", [])
        at = self.day(10, 100 if number % 3 else 400)
        segment = ("smith", "potter", None)[number % 3]
        id = await self.make(
            "customers",
            at,
            kind=("person", "organisation")[number % 2],
            name=f"Customer {number}",
            country=("AT", "DE", "IT")[number % 3],
            segment=segment,
            tier=("gold", "silver", None)[number % 5 % 3],
            source=chance.choice(("fair", "web")),
            owner_id=self.user(chance.choice(("ann", "bob"))),
            tags=[["vip"], ["vip", "beta"], []][number % 4 % 3] if number else ["unidentified"],
            referred_by=known[number // 2] if number % 7 == 6 else None,
        )
        if number % 4 == 0:
            contact = await self.make("contacts", at, customer_id=id, name=f"Person {number}", role="buyer",
                                      email=f"person{number}@example.com", phone="+43 1 5125 0")  # fmt: skip
            await self.act("contacts", contact, "amend", role="head")
        if number % 6 == 1:
            await self.act("customers", id, "amend", 24 * 260, segment="smith", tags=["moved"])

    async def _dealings(self, customer: str) -> None:
        number = self.ids["customers"].index(customer)
        chance = random.Random(f"{self.name} {number}")
        for at, value in list(purchases(chance, self.times[customer])):
            order = await self.make("orders", at, customer_id=customer, value=value, currency=self.currency,
                                    country=chance.choice(("AT", "DE")))  # fmt: skip
            if chance.random() < 0.08:
                await self.make("returns", at + timedelta(days=4), customer_id=customer, order_id=order, value="5.50",
                                currency=self.currency)  # fmt: skip
        for _ in range(chance.randrange(2)):
            channel, direction = chance.choice(("email", "phone", "visit")), chance.choice(("inbound", "outbound"))
            await self.make("touchpoints", self.day(), customer_id=customer, channel=channel, direction=direction,
                            outcome=chance.choice((None, "subscribed")), campaign=chance.choice((None, "spring")),
                            responded=chance.choice((None, True, False)))  # fmt: skip
        if number % 6 == 0:
            for week, logins in enumerate((9.0, 6.5, 2.0)[: 1 + number % 4]):
                await self.make("readings", self.day(310, 320) + timedelta(weeks=week), customer_id=customer,
                                value=logins, signal_id=self.ids["signals"][0])  # fmt: skip
        if number % 8 == 0:
            for score in (80, 20):  # the second supersedes the first
                await self.make("pulses", self.day(200, 510), customer_id=customer, score=score, note="as I see it",
                                expires_at=(END + timedelta(days=60)).isoformat())  # fmt: skip
        if number % 4 == 1:
            await self._opportunity(customer, number)

    async def _opportunity(self, customer: str, number: int) -> None:
        product = self.ids["products"][number % 3]
        at = self.day(50, 420)
        ann = self.user("ann")
        id = await self.make("opportunities", at, name=f"Deal {number}", customer_id=customer, owner_id=ann,
                             product_id=product, value=money(self.chance, 100, 900), currency="EUR", source="fair",
                             expected_close=(at + timedelta(days=60)).date().isoformat())  # fmt: skip
        for stage in STAGES[: number % 4]:
            await self.act("opportunities", id, "advance", 24 * self.chance.randrange(1, 12), stage=stage)
        if number % 2:
            await self.act("opportunities", id, "amend", 30, value="640.00", owner_id=self.user("bob"))
        if number % 5 < 2:
            await self.act("opportunities", id, "win", 50)
            await self.make("orders", self.times[id], customer_id=customer, opportunity_id=id, value="640.00")
        elif number % 5 == 2:
            await self.act("opportunities", id, "lose", 50, reason="price")

    async def _service(self) -> None:
        """Cases through all states, and tasks."""
        for number, customer in enumerate(self.ids["customers"][::4]):
            id = await self.make(
                "cases", self.day(200, 500), customer_id=customer, subject=f"Question {number}", channel="email",
                priority=("low", "moderate", "high")[number % 3], category=("complaint", "question")[number % 2],
                queue="first line",
            )  # fmt: skip
            steps: list[tuple[str, dict[str, object]]] = [
                ("assign", {"assignee_id": self.user("eve")}), ("start", {}), ("wait", {"reason": "customer"}),
                ("escalate", {"priority": "critical"}), ("start", {"assignee_id": self.user("joe")}),
                ("resolve", {"sla_met": number % 3 != 0, "resolution_code": "mended"}), ("close", {}),
                ("reopen", {"reason": "again"}), ("resolve", {"sla_met": number % 2 == 0}), ("close", {}),
            ]  # fmt: skip
            for verb, body in steps[: 1 + number * 3 % 11]:
                await self.act("cases", id, verb, self.chance.randrange(1, 40), **body)
        for number, customer in enumerate(self.ids["customers"][::6]):
            id = await self.make(
                "tasks", self.day(), title=f"Send it {number}", customer_id=customer, owner_id=self.user("ann")
            )
            for verb in ("amend", "complete", "reopen", "cancel")[: number % 5]:
                changed: dict[str, Any] = {"owner_id": self.user("bob")} if verb == "amend" else {}
                await self.act("tasks", id, verb, **changed)

    async def second(self) -> None:
        """What comes late and what is corrected: new rules, other models, merges, a playbook that ends."""
        mine, customers = self.ids, self.ids["customers"]
        for customer in customers[3:9]:  # of before much that is there already
            await self.make("orders", self.day(150, 300), customer_id=customer, value="77.70", currency=self.currency)
            await self.make("touchpoints", self.day(150, 300), customer_id=customer, channel="visit",
                            direction="inbound")  # fmt: skip
        if self.currency != "EUR":
            await self.make("orders", self.day(300, 310), customer_id=customers[4], value="9000", currency="JPY")
        await self.make("orders", self.day(300, 310), value="12.00", currency=self.currency)  # of nobody
        for customer in customers[-2:]:  # and is not any more
            for number in range(2):
                await self.make("cases", datetime.now(UTC), customer_id=customer, subject=f"It broke {number}",
                                channel="phone", category="complaint")  # fmt: skip
        await self.act("customers", customers[0], "amend", 24 * 200, tier="gold", owner_id=None)
        for customer, into in zip(customers[5:8], customers[1:4], strict=True):
            await merge(self.house, self.name, UUID(customer), UUID(into), BEGIN + timedelta(days=380))
        await unmerge(self.house, self.name, UUID(customers[6]), BEGIN + timedelta(days=440))
        self.merged = customers[5:7] + customers[1:3]
        rule = {"event_types": ["sales.order.placed.v1", "contacts.touchpoint.recorded.v1"], "window_days": 120}
        await self.settings(END, activity=rule, segment_activity=[{"segment": "smith", **rule, "window_days": 45}])
        await self.act("health-models", mine["health-models"][0], "revise", 24 * 400, document=model("Everybody", 45))
        await self.act("health-models", mine["health-models"][0], "publish")
        await self.act("health-models", mine["health-models"][1], "revise", document=model("A second draft", 30))
        retired = await self.make("health-models", BEGIN, gallery="retail")
        await self.act("health-models", retired, "publish")
        await self.act("health-models", retired, "retire")
        await self.act("playbooks", mine["playbooks"][2], "stop", 24 * 180)
        tasks = (await self.api("sales").get("/v1/tasks", playbook_id=mine["playbooks"][0])).json()["items"]
        for task in tasks[:4]:
            self.times[task["id"]] = datetime.fromisoformat(task["updated_at"])
            await self.act("tasks", task["id"], "complete", outcome="reached")

    async def jobs(self) -> None:
        analytics, then = self.api("analytics"), END.isoformat()
        draft, playbook = self.ids["health-models"][2], self.ids["playbooks"][4]
        for path, body in {
            f"/v1/health-models/{draft}:what_if": {"at": then},
            "/v1/health:distribution": {"groupBy": "segment", "at": then},
            f"/v1/playbooks/{playbook}:dry_run": {"from": (END - timedelta(days=30)).isoformat(), "to": then},
        }.items():
            answer = await analytics.post(path, body)
            assert answer.status_code == 202, answer.text
        for until in (END - timedelta(days=100), END):
            answer = await analytics.post("/v1/customer-value/fits", {"until": until.isoformat()})
            assert answer.status_code in (201, 409), answer.text  # few customers tell too little

    async def third(self) -> None:
        """What no relay has seen yet when the house is frozen."""
        for customer in self.ids["customers"][:3]:
            await self.make("orders", END, customer_id=customer, value="33.30", currency=self.currency)
        for case in self.ids["cases"][:1]:
            await self.act("cases", case, "assign", queue="second line")
