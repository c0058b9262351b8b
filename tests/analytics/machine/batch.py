"""The batch recomputation: what a list of events comes to, computed straight from it, by the words of the published
language and of METRICS. It takes nothing from analytics, and every event is looked at as often as is convenient."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from kith.events.envelope import Envelope

ORDER, RETURN = "sales.order.placed.v1", "sales.order.returned.v1"
WON, LOST, ADVANCED = (f"sales.opportunity.{verb}.v1" for verb in ("won", "lost", "advanced"))
RESOLVED = "service-desk.case.resolved.v1"
TOUCHED = "contacts.touchpoint.recorded.v1"
HELD = {
    "customer": {"kind", "country", "segment", "tier", "source", "owner", "tags", "referred_by"},
    "opportunity": {"stage", "currency", "owner", "product_id", "value", "source", "expected_close"},
    "case": {"state", "priority", "channel", "category", "queue", "assignee", "contact_id"},
    "subscription": {
        *("currency", "plan", "seats", "unit_price", "billing_period", "starts_at", "mrr", "steps", "auto_renew"),
    },
    "settings": {"time_zone", "activity", "currency"},
}
"""What a noun keeps until an event changes it."""
OPEN = {"prospecting": "0.1", "engaging": "0.3", "proposing": "0.5", "negotiating": "0.8"}

Fact = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    types: frozenset[str]
    days: int


@dataclass(frozen=True)
class Query:
    start: datetime
    end: datetime
    zone: str
    default: Rule
    segments: Mapping[str, Rule]
    only: str | None = None
    """A segment; the empty one is of customers who have none."""


class Batch:
    def __init__(self, events: Iterable[Envelope]) -> None:
        self.events = list({event.id: event for event in events}.values())

    @cached_property
    def whole(self) -> frozenset[UUID]:
        """The aggregates of which no version between the first and the last is missing."""
        versions: dict[UUID, set[int]] = defaultdict(set)
        for event in self.events:
            versions[event.subject].add(event.aggregate_version)
        return frozenset(subject for subject, of in versions.items() if of == set(range(1, max(of) + 1)))

    @cached_property
    def survivors(self) -> dict[UUID, UUID]:
        """Of every customer that was ever merged."""
        into: dict[UUID, UUID | None] = {}
        for event in sorted(self.events, key=lambda each: each.aggregate_version):
            if event.type in ("contacts.customer.merged.v1", "contacts.customer.unmerged.v1"):
                survivor = msgspec.json.decode(event.data).get("into")
                into[event.subject] = UUID(survivor) if survivor else None
        return {customer: _survivor(customer, into) for customer in into}

    @cached_property
    def facts(self) -> list[Fact]:
        courses: dict[UUID, list[Envelope]] = defaultdict(list)
        for event in self.events:
            courses[event.subject].append(event)
        found = []
        for course in courses.values():
            made: list[Fact] = []
            for event in sorted(course, key=lambda each: each.aggregate_version):
                if made:
                    made[-1]["until"] = event.time
                made.append(self._fact(event, made[-1] if made else None))
            found += made
        return found

    def _fact(self, event: Envelope, before: Fact | None) -> Fact:
        _, noun, verb, _ = event.type.split(".")
        body = msgspec.json.decode(event.data)
        state = dict(body)
        if before is not None:
            held = {name: value for name, value in before["state"].items() if name in HELD[noun]}
            if verb == "amended":
                held = {name: value for name, value in held.items() if name not in body["changed"]}
            elif noun == "case":
                held = {name: value for name, value in held.items() if name == "contact_id"}
            elif noun == "settings":
                held = {}
            state = held | body
            state.pop("changed", None)
            if verb in ("won", "lost"):
                state["stage"] = verb
        phase = state.get("stage") or state.get("state")
        fact: Fact = {
            "event_id": event.id,
            "type": event.type,
            "subject": event.subject,
            "version": event.aggregate_version,
            "time": event.time,
            "until": None,
            "customer_id": event.customer_id and self.survivors.get(event.customer_id, event.customer_id),
            "amount": Decimal(state["value"]) if "value" in state else None,
            "currency": state.get("currency"),
            "phase": phase,
            "phase_since": event.time if phase else None,
            "clock_since": event.time,
            "state": state,
        }
        fact["origin_id"] = event.customer_id if fact["customer_id"] != event.customer_id else None
        if before is not None:
            if verb != "reopened":
                fact["clock_since"] = before["clock_since"]
            if phase == before["phase"]:
                fact["phase_since"] = before["phase_since"]
            elif before["phase"]:
                state["seconds_in_phase"] = int((event.time - before["phase_since"]).total_seconds())
                state["from_phase"] = before["phase"]
            state["seconds_since_start"] = int((event.time - before["clock_since"]).total_seconds())
            state["seen"] = [*before["state"].get("seen", [before["type"].split(".")[2]]), verb]
        return fact

    # Activity

    def times(self, rule: Rule) -> dict[UUID, list[datetime]]:
        """When each customer did something that qualifies."""
        found: dict[UUID, list[datetime]] = defaultdict(list)
        for fact in self.facts:
            if fact["type"] in rule.types and fact["customer_id"]:
                found[fact["customer_id"]].append(fact["time"])
        return found

    def spans(self, rule: Rule) -> set[tuple[UUID, datetime, datetime]]:
        """An event makes active up to a window later; what touches is one span."""
        window, found = timedelta(days=rule.days), set()
        for customer, times in self.times(rule).items():
            starts = [time for time in times if not any(other < time <= other + window for other in times)]
            for start in starts:
                end = start + window
                while later := [time + window for time in times if start <= time <= end < time + window]:
                    end = max(later)
                found.add((customer, start, end))
        return found

    # Figures

    def record(self, customer: UUID | None, end: datetime) -> Mapping[str, Any]:
        """As it was before the end; what it first said held before."""
        mine = [f for f in self.facts if f["subject"] == customer and f["type"].startswith("contacts.customer.")]
        mine.sort(key=lambda fact: fact["version"])
        known = [fact for fact in mine if fact["time"] < end] or mine[:1]
        state: Mapping[str, Any] = known[-1]["state"] if known else {}
        return state

    def components(self, query: Query) -> dict[str, dict[str, Any]]:
        """Of each metric computed here."""
        facts = [fact for fact in self.facts if self._kept(fact["customer_id"], query)]
        within = [fact for fact in facts if query.start <= fact["time"] < query.end]

        def of(*types: str) -> list[Fact]:
            return [fact for fact in within if fact["type"] in types]

        standing = [
            fact for fact in facts if fact["time"] < query.end and (fact["until"] is None or fact["until"] >= query.end)
        ]
        pipeline = [fact for fact in standing if fact["phase"] in OPEN and "opportunity" in fact["type"]]
        left = [fact for fact in of(ADVANCED, WON, LOST) if "from_phase" in fact["state"]]
        spent = [fact["state"]["seconds_in_phase"] for fact in left]
        resolved = of(RESOLVED)
        touched = [fact for fact in of(TOUCHED) if fact["state"]["direction"] == "outbound"]
        active = self._active(query)
        handled = {f["subject"] for f in within if ".case." in f["type"] and ".opened." not in f["type"]}
        return {
            "retention.crr": {name: active[name] for name in "SENW"},
            "retention.cohort": {name: active[name] for name in ("S", "E", "kept")},
            "sales.new_customers": {"new": active["new"]},
            "revenue": {
                "orders": len(of(ORDER)),
                "ordered": _sum(of(ORDER)),
                "returns": len(of(RETURN)),
                "returned": _sum(of(RETURN)),
            },
            "arpu": {
                "ordered": _sum(f for f in of(ORDER) if f["customer_id"]),
                "returned": _sum(f for f in of(RETURN) if f["customer_id"]),
                "active": active["during"],
            },
            "sales.new_revenue": {"ordered": _sum(f for f in of(ORDER) if f["customer_id"] in active["newcomers"])},
            "sales.close_rate_value": {"won": _sum(of(WON)), "lost": _sum(of(LOST))},
            "sales.stage_duration": {"time": sum(spent), "visits": len(spent)},
            "sales.stage_duration_median": {"median": median(spent) if spent else None},
            "sales.cycle_duration": {
                "time": sum(fact["state"]["seconds_since_start"] for fact in of(WON, LOST)),
                "closed": len(of(WON, LOST)),
            },
            "sales.open_pipeline": {"value": _sum(pipeline), "open": len(pipeline)},
            "sales.forecast": {
                "weighted": sum((fact["amount"] or 0) * Decimal(OPEN[fact["phase"]]) for fact in pipeline),
                "value": _sum(pipeline),
                "open": len(pipeline),
            },
            "service.backlog": {"open": sum(fact["phase"] in ("new", "open", "pending") for fact in standing)},
            "service.same_day": {
                "same_day": sum(
                    _day(fact["time"], query.zone) == _day(fact["clock_since"], query.zone) for fact in resolved
                ),
                "resolved": len(resolved),
            },
            "service.time_to_resolve": {
                "time": sum(fact["state"]["seconds_to_resolve"] for fact in resolved),
                "resolved": len(resolved),
            },
            "service.cases_handled": {"handled": len(handled)},
            "service.first_contact_resolution": {
                "at_once": sum(
                    not {"waiting", "escalated", "assigned", "reopened"} & set(fact["state"].get("seen", ()))
                    for fact in resolved
                ),
                "resolved": len(resolved),
            },
            "marketing.response_rate": {
                "responses": sum(fact["state"].get("responded") is True for fact in touched),
                "outbound": len(touched),
            },
            "ror": self._helped(query),
            "mrr": self._recurring(query),
        }

    def _kept(self, customer: UUID | None, query: Query) -> bool:
        return query.only is None or (self.record(customer, query.end).get("segment") or "") == query.only

    def _active(self, query: Query) -> dict[str, Any]:
        per_rule = {rule: self.times(rule) for rule in (query.default, *query.segments.values())}
        found: dict[str, Any] = defaultdict(int, newcomers=set())
        for customer in {customer for times in per_rule.values() for customer in times}:
            if not self._kept(customer, query):
                continue
            segment = self.record(customer, query.end).get("segment")
            rule = query.segments.get(segment, query.default) if segment else query.default
            times = per_rule[rule].get(customer, [])
            window = timedelta(days=rule.days)
            at_start, at_end = (
                any(instant - window <= time < instant for time in times) for instant in (query.start, query.end)
            )
            before = any(time < query.start for time in times)
            new = not before and any(time < query.end for time in times)
            for name, is_so in {
                "S": at_start,
                "E": at_end,
                "N": at_end and not before,
                "W": at_end and before and not at_start,
                "kept": at_start and at_end,
                "new": new,
                "during": any(time < query.end and time + window >= query.start for time in times),
            }.items():
                found[name] += is_so
            if new:
                found["newcomers"].add(customer)
        return found

    def _recurring(self, query: Query) -> dict[str, Decimal]:
        """By the last course that is said of each subscription."""
        paid: dict[UUID, list[tuple[datetime, datetime | None, Decimal]]] = defaultdict(list)
        for fact in self.facts:
            if fact["until"] is None and ".subscription." in fact["type"] and self._kept(fact["customer_id"], query):
                steps = [(datetime.fromisoformat(s["starts_at"]), Decimal(s["mrr"])) for s in fact["state"]["steps"]]
                ends = [*(start for start, _ in steps[1:]), None]
                mine = paid[fact["customer_id"] or fact["subject"]]
                mine += [(start, end, mrr) for (start, mrr), end in zip(steps, ends, strict=True) if mrr]
        found = dict.fromkeys(("start", "new", "reactivation", "expansion", "contraction", "churn", "end"), Decimal())
        for spans in paid.values():
            was, now = (
                sum((mrr for start, end, mrr in spans if start <= at and (end is None or at < end)), Decimal())
                for at in (query.start, query.end)
            )
            found["start"] += was
            found["end"] += now
            if not was:
                once = any(start <= query.start for start, _, _ in spans)
                found["reactivation" if once else "new"] += now
            else:
                movement = "churn" if not now else "expansion" if now > was else "contraction"
                found[movement] += abs(now - was)
        return found

    def _helped(self, query: Query) -> dict[str, int]:
        there = query.end.astimezone(ZoneInfo(query.zone))
        leap_day = (there.month, there.day) == (2, 29)
        year_before = there.replace(year=there.year - 1, day=28 if leap_day else there.day)

        def customers(*types: str, since: datetime | None = None) -> list[UUID]:
            return [
                fact["customer_id"]
                for fact in self.facts
                if fact["type"] in types
                and fact["customer_id"]
                and fact["time"] < query.end
                and (since is None or fact["time"] >= since)
                and self._kept(fact["customer_id"], query)
            ]

        helped = set(customers(ORDER, WON, RESOLVED, since=year_before))
        bought = customers(ORDER)
        repeat = {customer for customer in helped if bought.count(customer) > 1}
        referred = {customer for customer in helped if "referred_by" in self.record(customer, query.end)}
        return {
            "helped": len(helped),
            "loyal": len(repeat | referred),
            "repeat": len(repeat),
            "referred": len(referred),
            "buyers": len(set(bought)),
        }


def _survivor(customer: UUID, into: Mapping[UUID, UUID | None]) -> UUID:
    """Follow the merges to their end, or once round where they run in a circle: then the smallest of it is meant."""
    path = [customer]
    while (following := into.get(path[-1])) is not None:
        if following in path:
            return min(path[path.index(following) :])
        path.append(following)
    return path[-1]


def _sum(facts: Iterable[Fact]) -> Decimal:
    return sum((fact["amount"] for fact in facts if fact["amount"] is not None), Decimal())


def _day(moment: datetime, zone: str) -> Any:
    return moment.astimezone(ZoneInfo(zone)).date()
