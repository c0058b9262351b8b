"""Facts follow from what the events declare: made-up events, which no list here or there names."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.projections.activity import ActivityRule
from analytics.projections.facts import Fact, RecordedEvent, facts_of, noun_of, types_of
from kith.events.catalogue import EVENTS, NEWER, NOUNS, newer_of, nouns_of
from kith.events.event import Event
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Publish = Callable[..., None]
BEGAN, DAY = at("2026-03-01"), timedelta(days=1)


class QuoteIssued(Event):
    type: ClassVar[str] = "sales.bid.issued.v1"
    creates: ClassVar[bool] = True
    value: Decimal
    currency: str
    valid_until: str | None = None


class QuoteAccepted(Event):
    type: ClassVar[str] = "sales.bid.accepted.v1"
    value: Decimal
    currency: str


class QuoteRenewed(Event):
    type: ClassVar[str] = "sales.bid.renewed.v1"
    starts_clock: ClassVar[bool] = True


class DeskQuoteIssued(Event):
    """A quote, of words: the other service's noun of the same name."""

    type: ClassVar[str] = "service-desk.bid.issued.v1"
    creates: ClassVar[bool] = True
    words: str


class DeskQuoteRead(Event):
    type: ClassVar[str] = "service-desk.bid.read.v1"
    valid_until: str


class QuoteIssuedV2(Event):
    type: ClassVar[str] = "sales.bid.issued.v2"
    creates: ClassVar[bool] = True
    value: Decimal
    currency: str
    expires: str | None = None

    @classmethod
    def upcast(cls, body: dict[str, Any]) -> dict[str, Any]:
        renamed = {"valid_until": "expires"}
        return {renamed.get(name, name): value for name, value in body.items()}


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Puts events into the catalogue."""

    def put(*kinds: type[Event]) -> None:
        for kind in kinds:
            monkeypatch.setitem(EVENTS, kind.type, kind)
        for name, noun in nouns_of(EVENTS.values()).items():
            monkeypatch.setitem(NOUNS, name, noun)
        for type, newer in newer_of(EVENTS.values()).items():
            monkeypatch.setitem(NEWER, type, newer)

    return put


def course(*events: Event | tuple[str, dict[str, Any]]) -> list[Fact]:
    """The facts of an aggregate to which these happened, a day after another."""
    subject = new_id()
    encoded = [(each.type, msgspec.json.encode(each)) if isinstance(each, Event) else each for each in events]
    return facts_of(
        RecordedEvent.of(
            "acme",
            new_id(),
            type,
            subject,
            n + 1,
            BEGAN + n * DAY,
            None,
            data if isinstance(data, bytes) else msgspec.json.encode(data),
        )
        for n, (type, data) in enumerate(encoded)
    )


ISSUED = QuoteIssued(value=Decimal(100), currency="EUR", valid_until="2026-04-01")
ACCEPTED = QuoteAccepted(value=Decimal(90), currency="EUR")


def test_what_a_quote_was_issued_with_holds_when_it_is_accepted(publish: Publish) -> None:
    publish(QuoteIssued, QuoteAccepted)
    issued, accepted = course(ISSUED, ACCEPTED)
    assert issued.until == accepted.time
    assert accepted.state["valid_until"] == "2026-04-01"
    assert accepted.amount == "90"


def test_nouns_of_two_services_that_have_one_name_are_two(publish: Publish) -> None:
    publish(QuoteIssued, QuoteAccepted, DeskQuoteIssued, DeskQuoteRead)
    assert set(types_of("sales.bid")) == {QuoteIssued.type, QuoteAccepted.type}
    assert set(types_of("service-desk.bid")) == {DeskQuoteIssued.type, DeskQuoteRead.type}
    *_, again = course(DeskQuoteIssued(words="To be"), DeskQuoteRead(valid_until="noon"), DeskQuoteIssued(words="Or"))
    # A field that lasts in sales' quotes is of its event only in service-desk's.
    assert "valid_until" not in again.state


def test_the_clock_runs_anew_from_what_declares_it_and_from_nothing_else(publish: Publish) -> None:
    publish(QuoteIssued, QuoteAccepted, QuoteRenewed)
    clocks = [fact.clock_since for fact in course(ISSUED, ACCEPTED, QuoteRenewed(), ACCEPTED)]
    assert clocks == [BEGAN, BEGAN, BEGAN + 2 * DAY, BEGAN + 2 * DAY]


def test_what_the_catalogue_does_not_have_is_a_fact_of_the_noun_that_it_names(publish: Publish) -> None:
    publish(QuoteIssued, QuoteAccepted)
    _, shown, accepted = course(ISSUED, ("sales.bid.shown.v1", {"valid_until": "2026-05-01", "to": "them"}), ACCEPTED)
    assert shown.state["valid_until"] == "2026-05-01"
    assert shown.state["currency"] == "EUR"
    assert accepted.state["valid_until"] == "2026-05-01"
    assert "to" not in accepted.state
    assert noun_of("sales.bid.shown.v1") == "sales.bid"
    _, reopened = course(("sales.wish.opened.v1", {"a": 1}), ("sales.wish.reopened.v1", {"b": 2}))
    assert (reopened.clock_since, reopened.state.keys() & {"a", "b"}) == (BEGAN, {"b"})
    (odd,) = course(("odd", {"value": "3"}))
    assert odd.amount == "3"


def test_a_return_is_no_order() -> None:
    assert noun_of("sales.order.returned.v1") == "sales.return"
    assert types_of("sales.order") == ("sales.order.placed.v1",)


def test_an_event_of_an_old_version_makes_the_fact_of_the_newest(publish: Publish) -> None:
    publish(QuoteIssued, QuoteAccepted, QuoteIssuedV2)
    issued, accepted = course(ISSUED, ACCEPTED)
    assert (issued.type, issued.state["expires"]) == (QuoteIssuedV2.type, "2026-04-01")
    assert accepted.state["expires"] == "2026-04-01"
    assert "valid_until" not in accepted.state


def test_a_rule_that_names_an_old_version_counts_the_newest(publish: Publish) -> None:
    publish(QuoteIssued, QuoteIssuedV2)
    rule = ActivityRule.of({QuoteIssued.type}, 30)
    assert rule.types == {QuoteIssuedV2.type}
    assert rule.id == f"30d:{QuoteIssued.type}"


async def test_events_of_old_versions_come_out_of_the_ledger_as_the_newest(
    worker: AsyncEngine, tenant: str, fold: Fold, publish: Publish
) -> None:
    """The acceptance comes first, so the aggregate is folded anew from the ledger when what issued it comes."""
    publish(QuoteIssued, QuoteAccepted, QuoteIssuedV2)
    quote, customer = new_id(), new_id()
    await fold(happened(ACCEPTED, tenant, at("2026-03-02"), customer, subject=quote, aggregate_version=2))
    await fold(happened(ISSUED, tenant, at("2026-03-01"), customer, subject=quote))
    await fold(happened(ACCEPTED, tenant, at("2026-03-03"), customer, subject=quote, aggregate_version=3))
    async with worker.connect() as connection:
        rows = await connection.execute(
            text("SELECT type, state->>'expires' FROM facts WHERE tenant_id = :t ORDER BY version"), {"t": tenant}
        )
        ledger = await connection.scalars(
            text("SELECT type FROM ledger WHERE tenant_id = :t ORDER BY time"), {"t": tenant}
        )
        assert list(ledger) == [QuoteIssued.type, QuoteAccepted.type, QuoteAccepted.type]
    assert [tuple(row) for row in rows] == [
        (QuoteIssuedV2.type, "2026-04-01"),
        (QuoteAccepted.type, "2026-04-01"),
        (QuoteAccepted.type, "2026-04-01"),
    ]


async def test_one_fact_of_an_aggregate_stands_though_nothing_was_to_happen_to_it_again(
    worker: AsyncEngine, tenant: str, fold: Fold
) -> None:
    """A dead letter that was amended may say so, and so may a newer version of the service."""
    order, bought = new_id(), OrderPlaced(value=Decimal(10), currency="EUR")
    for version in (1, 2):
        await fold(happened(bought, tenant, at(f"2026-03-0{version}"), subject=order, aggregate_version=version))
    async with worker.connect() as connection:
        until = await connection.scalars(
            text("SELECT until FROM facts WHERE tenant_id = :t ORDER BY version"), {"t": tenant}
        )
        assert list(until) == [at("2026-03-02"), None]
