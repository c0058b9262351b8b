"""What may be done with a quote, and when."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Conflict, Invalid, NothingAmended
from kith.ids import new_id
from sales.prices.rules import Pricing
from sales.quotes.rules import (
    Quote,
    QuoteAlreadyAccepted,
    QuoteAlreadyDecided,
    QuoteApproval,
    QuoteNeedsApproval,
    QuoteNoLongerValid,
    QuoteNotDraft,
    QuoteNotOut,
    QuoteState,
)
from sales.values import Line

DAY = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
TEA = Line(quantity=Decimal(3), unit_price=Decimal("4.50"))


def created(**fields: Any) -> Quote:
    it, _ = Quote.create(id=new_id(), at=DAY, **{"currency": "EUR", "lines": [TEA], **fields})
    it.updated_at = DAY
    return it


def sent(**fields: Any) -> Quote:
    it = created(**fields)
    it.send(at=DAY)
    return it


def accepted(**fields: Any) -> Quote:
    it = sent(**fields)
    it.accept(at=DAY, signature="Ann", order_id=new_id())
    return it


def test_it_is_worth_what_its_lines_come_to() -> None:
    it = created()
    assert (it.value, it.last_line, it.lines[0].line) == (Decimal("13.5"), 1, 1)
    event = it.amend(at=DAY, lines=[TEA, TEA])
    assert (it.value, event.changed, event.value) == (Decimal(27), ["lines", "value"], Decimal(27))


def test_the_number_of_a_line_that_was_taken_away_is_never_given_again() -> None:
    it = created(lines=[TEA, TEA])
    first, _ = it.lines
    it.amend(at=DAY, lines=[first])
    it.amend(at=DAY, lines=[first, TEA])
    assert [each.line for each in it.lines] == [1, 3]
    with pytest.raises(Invalid) as refused:
        it.amend(at=DAY, lines=[Line(line=2, quantity=Decimal(1), unit_price=Decimal(1))])
    assert refused.value.field == "lines.0.line"


def test_it_has_a_line() -> None:
    for wrong in (lambda: created(lines=[]), lambda: created().amend(at=DAY, lines=[])):
        with pytest.raises(Invalid) as refused:
            wrong()
        assert refused.value.field == "lines"


def test_an_amendment_that_changes_nothing_is_refused() -> None:
    it = created()
    with pytest.raises(NothingAmended):
        it.amend(at=DAY, lines=it.lines)


def test_what_the_customer_has_is_not_changed() -> None:
    for it in (sent(), accepted()):
        with pytest.raises(QuoteNotDraft):
            it.amend(at=DAY, lines=[TEA, TEA])
        with pytest.raises(QuoteNotDraft):
            it.send(at=DAY)


def test_it_is_accepted_until_it_expires() -> None:
    it = sent(valid_until=DAY + WEEK)
    assert [created(valid_until=DAY + WEEK).expires_at, it.expires_at] == [None, DAY + WEEK]
    with pytest.raises(QuoteNoLongerValid):
        it.copy().accept(at=DAY + WEEK, signature="Ann", order_id=new_id())
    it.view(at=DAY)
    it.accept(at=DAY + WEEK - timedelta(seconds=1), signature="Ann", order_id=new_id())
    assert it.state == QuoteState.ACCEPTED
    assert it.copy().expires_at is None


def test_what_is_over_is_not_sent() -> None:
    with pytest.raises(QuoteNoLongerValid):
        created(valid_until=DAY).send(at=DAY)


COMMANDS: list[Callable[[Quote], Any]] = [
    lambda it: it.view(at=DAY),
    lambda it: it.accept(at=DAY, signature="Ann", order_id=new_id()),
    lambda it: it.decline(at=DAY, reason="price"),
    lambda it: it.expire(at=DAY),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_only_what_the_customer_has_is_answered(command: Callable[[Quote], Any]) -> None:
    over = sent()
    over.withdraw(at=DAY)
    for it in (created(), accepted(), over):
        with pytest.raises(QuoteNotOut):
            command(it)


def test_a_revision_supersedes_what_was_sent() -> None:
    it = sent(valid_until=DAY + WEEK)
    it.decline(at=DAY, reason="price")
    it.revise(at=DAY)
    assert (it.state, it.revision, it.reason, it.expires_at) == (QuoteState.DRAFT, 2, None, None)
    with pytest.raises(QuoteNotOut):
        it.accept(at=DAY, signature="Ann", order_id=new_id())
    it.amend(at=DAY, lines=[TEA])
    it.send(at=DAY)
    assert it.accept(at=DAY, signature="Ann", order_id=new_id()).value == Decimal("13.5")
    with pytest.raises(QuoteAlreadyAccepted):
        it.revise(at=DAY)


def test_a_draft_is_withdrawn_as_well_and_nothing_is_withdrawn_twice() -> None:
    it = created()
    it.withdraw(at=DAY)
    with pytest.raises(Conflict):
        it.withdraw(at=DAY)


def test_what_is_more_below_its_list_price_than_the_limit_needs_approval() -> None:
    limit, product = Decimal(15), new_id()
    prices = Pricing(products={product: (Decimal("9.99"), "EUR")})
    line: dict[str, Any] = {"product_id": product, "quantity": Decimal(1)}
    for price, discount, allowed in (
        ("9.99", 15, True),
        ("9.99", "15.2", False),
        ("8.49", 0, True),  # 8.4915 rounded
        ("8.48", 0, False),
        ("12", 25, True),
    ):
        asked = Line(**line, unit_price=Decimal(price), discount_percent=Decimal(discount))
        it = created(lines=[TEA, asked], pricing=prices)
        if allowed:
            it.send(at=DAY, discount_limit=limit)
            continue
        with pytest.raises(QuoteNeedsApproval) as refused:
            it.send(at=DAY, discount_limit=limit)
        assert str(refused.value).startswith("Line 2 is more than 15 % below its list price")
        it.send(at=DAY)  # there is no limit


def test_off_what_nobody_listed_the_discount_counts() -> None:
    it = created(lines=[replace(TEA, discount_percent=Decimal(16))])
    with pytest.raises(QuoteNeedsApproval):
        it.send(at=DAY, discount_limit=Decimal(15))


def test_an_approval_has_who_when_and_why_and_goes_with_a_change() -> None:
    it = created(lines=[replace(TEA, discount_percent=Decimal(90))])
    it.approve(at=DAY, actor="user:1", note="They pay at once.")
    assert (it.approval, it.decided_by, it.decided_at, it.decision_note) == (
        QuoteApproval.APPROVED,
        "user:1",
        DAY,
        "They pay at once.",
    )
    with pytest.raises(QuoteAlreadyDecided):
        it.approve(at=DAY, actor="user:2", note=None)
    event = it.amend(at=DAY, valid_until=DAY + WEEK)
    assert event.changed == ["valid_until", "approval"]
    assert (it.approval, it.decided_by, it.decided_at, it.decision_note) == (None,) * 4
    with pytest.raises(QuoteNeedsApproval):
        it.send(at=DAY, discount_limit=Decimal(15))
    it.approve(at=DAY, actor="user:1", note=None)
    it.send(at=DAY, discount_limit=Decimal(15))
    it.revise(at=DAY)
    it.send(at=DAY, discount_limit=Decimal(15))  # as it was


def test_one_that_is_rejected_is_not_sent_until_it_is_changed_or_approved() -> None:
    it = created()
    event = it.reject(at=DAY, actor="user:1", note="They never pay.")
    assert (event.approval, it.decision_note) == ("rejected", "They never pay.")
    with pytest.raises(QuoteNeedsApproval):
        it.send(at=DAY)
    it.approve(at=DAY, actor="user:1", note=None)
    it.send(at=DAY)
    with pytest.raises(QuoteNotDraft):
        it.reject(at=DAY, actor="user:1", note="Too late.")
