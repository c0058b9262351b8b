"""Every step of a path is taken, by the events that other services would publish; and leads where it said."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import at, happened

from kith.events.analytics import HealthModelPublished, PulseSet, ReadingRecorded
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.envelope import Envelope
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OpportunityOpened, OpportunityWon, OrderPlaced, OrderReturned
from kith.events.service_desk import CaseOpened, CaseReopened, CaseResolved
from kith.ids import new_id
from kith.testing import Issuer, Tenant

NOW = at("2026-03-01")
INSTANT = timedelta(microseconds=1)
SIGNAL, CONTACT = new_id(), new_id()
OF_CASE: dict[str, Any] = {"priority": "high", "channel": "email"}
RESOLVED: dict[str, Any] = {"state": "resolved", "from_state": "new", "seconds_to_resolve": 9, **OF_CASE}


def measure(id: str, input: str, curve: list[list[float]], **more: Any) -> dict[str, Any]:
    return {"id": id, "input": input, "weight": 1, "curve": curve, **more}


SILVER_AND_GOLD = {"silver": 1, "gold": 3}
MEASURES = [
    measure("recency", "purchase_recency", [[0, 100], [90, 0]]),
    measure("orders", "orders", [[0, 0], [3, 60], [9, 100]], half_life_days=60),
    measure("revenue", "revenue", [[0, 0], [900, 100]]),
    measure("trend", "revenue_trend", [[0, 0], [2, 100]], window_days=30),
    measure("returns", "returns", [[0, 100], [4, 0]], absence="neutral"),
    measure("engagement", "engagement", [[0, 0], [12, 100]], where={"channel": ["email"]}),
    measure("breadth", "breadth", [[0, 0], [4, 100]]),
    measure("cases", "open_cases", [[0, 100], [4, 0]]),
    measure("high", "open_cases", [[0, 100], [2, 0]], where={"priority": ["high"]}),
    measure("complaints", "complaints", [[0, 100], [3, 0]]),
    measure("late", "sla_breaches", [[0, 100], [3, 0]]),
    measure("reopened", "reopened_cases", [[0, 100], [3, 0]]),
    measure("pulse", "pulse", [[0, 0], [100, 100]]),
    measure("signal", "signal", [[0, 0], [50, 100]], signal=str(SIGNAL), aggregate="mean"),
    measure("tier", "loyalty_tier", [[1, 0], [3, 100]], values=SILVER_AND_GOLD),
    measure("referrals", "referrals", [[0, 0], [5, 100]]),
    measure("opportunities", "open_opportunities", [[0, 0], [3, 100]]),
    measure("tenure", "tenure", [[0, 0], [400, 100]]),
    measure("usage", "usage", [[0, 0], [9, 100]]),
]


@pytest.fixture
def acme(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


class Twin:
    """One of several customers who did the same."""

    def __init__(self, tenant: str) -> None:
        self.tenant, self.id = tenant, new_id()
        self.cases, self.settled, self.deals = [new_id() for _ in range(3)], [new_id() for _ in range(2)], [new_id()]

    def did(self, event: Any, day: str, subject: UUID | None = None, version: int = 1) -> Envelope:
        more: dict[str, Any] = {"aggregate_version": version} | ({"subject": subject} if subject else {})
        return happened(event, self.tenant, at(day), self.id, **more)

    def past(self) -> list[Envelope]:
        opened = CaseOpened(state="new", **OF_CASE)
        mail = TouchpointRecorded(channel="email", direction="inbound", contact_id=CONTACT)
        return [
            self.did(CustomerCreated(kind="person", tier="silver"), "2025-09-01"),
            self.did(OrderPlaced(value=Decimal("80.5"), currency="EUR"), "2026-01-10"),
            self.did(OrderPlaced(value=Decimal(120), currency="EUR"), "2026-02-10"),
            self.did(mail, "2026-02-01"),
            self.did(ReadingRecorded(signal_id=SIGNAL, value=12), "2026-01-01"),
            self.did(ReadingRecorded(signal_id=SIGNAL, value=30), "2026-02-01"),
            self.did(PulseSet(score=40, expires_at=at("2026-09-01")), "2026-02-01"),
            self.did(
                OpportunityOpened(stage="prospecting", currency="EUR", owner_id=new_id()), "2026-02-01", self.deals[0]
            ),
            *(self.did(opened, "2026-02-20", case) for case in self.cases),
            *(self.did(opened, "2025-01-01", case) for case in self.settled),
            *(self.did(CaseResolved(sla_met=True, **RESOLVED), "2025-01-02", case, 2) for case in self.settled),
        ]

    def takes(self, step: dict[str, Any]) -> list[Envelope]:
        return [each for number in range(step["times"]) for each in self._takes(step, number)]

    def _takes(self, step: dict[str, Any], number: int) -> list[Envelope]:  # noqa: C901, PLR0911, PLR0912 - a case per act
        def now(event: Any, subject: UUID | None = None, version: int = 1) -> Envelope:
            more: dict[str, Any] = {"aggregate_version": version} | ({"subject": subject} if subject else {})
            return happened(event, self.tenant, NOW - INSTANT, self.id, **more)

        value = Decimal(repr(step["value"] or 0))
        match step["act"]:
            case "purchase":
                return [now(OrderPlaced(value=value, currency="EUR"))]
            case "return":
                return [now(OrderReturned(value=Decimal(1), currency="EUR"))]
            case "exchange" | "new_contact":
                contact = None if step["act"] == "exchange" else new_id()
                channel = "email" if step["measure"] == "engagement" else "phone"
                return [now(TouchpointRecorded(channel=channel, direction="inbound", contact_id=contact))]
            case "case_opened":
                category = "complaint" if step["measure"] == "complaints" else None
                priority = "high" if step["measure"] == "high" else "low"
                return [now(CaseOpened(state="new", priority=priority, channel="email", category=category))]
            case "case_resolved":
                return [now(CaseResolved(sla_met=True, **RESOLVED), self.cases[number], 2)]
            case "case_resolved_late":
                return [now(CaseResolved(sla_met=False, **RESOLVED), self.cases[number], 2)]
            case "case_reopened":
                reopened = CaseReopened(state="open", from_state="resolved", reopened_count=1, **OF_CASE)
                return [now(reopened, self.settled[number], 3)]
            case "judgement":
                return [now(PulseSet(score=int(value), expires_at=at("2026-09-01")))]
            case "reading":
                return [now(ReadingRecorded(signal_id=SIGNAL, value=step["value"]))]
            case "referral":
                referred = CustomerCreated(kind="person", referred_by=self.id)
                return [happened(referred, self.tenant, NOW - INSTANT, new_id())]
            case "tier":
                return [now(CustomerAmended(changed=["tier"], tier=step["word"]), None, 2)]
            case "opportunity_opened":
                return [now(OpportunityOpened(stage="prospecting", currency="EUR", owner_id=new_id()))]
            case "opportunity_closed":
                won = OpportunityWon(from_stage="prospecting", value=Decimal(1), currency="EUR")
                return [now(won, self.deals[number], 2)]
        raise AssertionError(step["act"])


async def test_each_step_taken_leads_to_the_score_and_the_band_it_said(acme: Tenant, fold: Any, tenant: str) -> None:
    document = {"title": "all", "measures": MEASURES, "hysteresis": 1, "bands": {"steady": 30, "healthy": 50}}
    first = Twin(tenant)
    await fold(happened(HealthModelPublished(1, document), tenant, at("2024-01-01")), *first.past())
    params = {"at": NOW.isoformat()}
    path = (await acme.get(f"/v1/customers/{first.id}/health/path", **params)).json()
    ways = [path["up"], path["down"]]
    assert path["band"] == "steady", path["score"]
    steps = [(way, step) for way in ways for step in way["steps"] if step["act"] is not None]
    assert {step["act"] for _, step in steps} >= {
        "purchase", "return", "exchange", "new_contact", "case_opened", "case_resolved", "case_resolved_late",
        "case_reopened", "judgement", "reading", "tier", "referral", "opportunity_opened", "opportunity_closed",
    }  # fmt: skip
    recency = next(step for _, step in steps if step["measure"] == "recency")
    assert (recency["act"], recency["value"]) == ("purchase", 120), "of the amount of the last one"
    assert {step["measure"] for way in ways for step in way["steps"] if step["act"] is None} >= {"tenure", "usage"}
    for way, step in steps:
        twin = Twin(tenant)
        await fold(*twin.past(), *twin.takes(step))
        then = (await acme.get(f"/v1/customers/{twin.id}/health", **params)).json()
        assert then["score"] == pytest.approx(step["leads_to"], abs=1e-9), step
        assert (then["band"], step["crosses"]) == (step["band"], step["band"] == way["band"]), step
        reads = next(each["input"] for each in then["contributions"] if each["measure"] == step["measure"])
        assert reads == pytest.approx(step["to"], abs=1e-9), step


async def test_no_case_is_resolved_that_is_not_open_though_the_model_does_not_count_open_ones(
    acme: Tenant, fold: Any, tenant: str
) -> None:
    measures = [
        measure("late", "sla_breaches", [[0, 100], [9, 0]], where={"priority": ["high"]}),
        measure("again", "reopened_cases", [[0, 100], [9, 0]]),
    ]
    document = {"title": "m", "measures": measures, "bands": {"steady": 1, "healthy": 2}}
    twin, opened = Twin(tenant), CaseOpened(state="new", **OF_CASE)
    await fold(
        happened(HealthModelPublished(1, document), tenant, at("2024-01-01")),
        twin.did(opened, "2026-02-01", twin.settled[0]),
        twin.did(CaseResolved(sla_met=False, **RESOLVED), "2026-02-02", twin.settled[0], 2),
        twin.did(CaseReopened(state="open", from_state="resolved", reopened_count=1, **OF_CASE), "2026-02-03",
                 twin.settled[0], 3),
        *(twin.did(opened, "2026-02-20", case) for case in twin.cases),
    )  # fmt: skip
    down = (await acme.get(f"/v1/customers/{twin.id}/health/path", at=NOW.isoformat())).json()["down"]
    done = {step["measure"]: (step["act"], step["times"]) for step in down["steps"]}
    assert done == {"late": ("case_resolved_late", 4), "again": (None, None)}


async def test_a_tier_that_leads_under_another_model_is_no_step(acme: Tenant, fold: Any, tenant: str) -> None:
    document = {"title": "all", "measures": MEASURES, "hysteresis": 1, "bands": {"steady": 30, "healthy": 50}}
    of_gold = {**document, "audience": {"tiers": ["gold"]}}
    twin = Twin(tenant)
    await fold(
        happened(HealthModelPublished(1, document), tenant, at("2024-01-01")),
        happened(HealthModelPublished(1, of_gold), tenant, at("2024-01-01")),
        *twin.past(),
    )
    path = (await acme.get(f"/v1/customers/{twin.id}/health/path", at=NOW.isoformat())).json()
    (tier,) = [each for each in path["up"]["steps"] if each["measure"] == "tier"]
    assert (tier["act"], tier["to"]) == (None, None)


async def test_where_no_step_is_enough_it_says_so_and_how_far_the_best_gets(
    acme: Tenant, fold: Any, tenant: str
) -> None:
    customer = new_id()
    measures = [{"id": "recency", "input": "purchase_recency", "weight": 1, "curve": [[0, 50], [90, 0]]}]
    await fold(
        happened(HealthModelPublished(1, {"title": "m", "measures": measures}), tenant, at("2024-01-01")),
        happened(OrderPlaced(value=Decimal(1), currency="EUR"), tenant, NOW - timedelta(days=9), customer),
    )
    up = (await acme.get(f"/v1/customers/{customer}/health/path", at=NOW.isoformat())).json()["up"]
    (step,) = up["steps"]
    assert (up["reachable"], up["best"], step["leads_to"]) == (False, pytest.approx(50), pytest.approx(50))
    assert (step["act"], step["to"], step["band"], step["crosses"]) == ("purchase", 0, "steady", False)
    assert up["words"] == (
        "Healthy from 70: 25.0 more than 45.0. No single step is enough; the best one leads to 50.0."
    )
    assert step["words"] == ("recency: a purchase makes it 0 days instead of 9; the score is 50.0 then, still steady.")
    chinese = (await acme.get(f"/v1/customers/{customer}/health/path", at=NOW.isoformat(), language="zh")).json()["up"]
    assert chinese["words"].endswith("没有单独一步能够做到，最接近的一步会到50.0分。")  # noqa: RUF001 - Chinese
    numbers = ("act", "times", "value", "input", "to", "leads_to", "band", "crosses")
    assert [[each[name] for name in numbers] for each in chinese["steps"]] == [
        [each[name] for name in numbers] for each in up["steps"]
    ]
