"""What a product costs: by the price book, for the quantity, at the instant."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kith.errors import Invalid
from kith.ids import new_id
from sales.price_books.rules import PriceBook
from sales.prices.rules import Pricing, Step
from sales.values import Line

AT = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TEA, POT = new_id(), new_id()


def book(**fields: Any) -> PriceBook:
    it, _ = PriceBook.create(id=new_id(), at=AT, **{"name": "Retail", "currency": "EUR", **fields})
    it.updated_at = AT
    return it


def pricing(*books: tuple[PriceBook, Sequence[tuple[int, str]]]) -> Pricing:
    """Of each book what tea costs, from a quantity on."""
    steps = {(it.id, TEA): [Step(Decimal(n), Decimal(price)) for n, price in of_it] for it, of_it in books}
    own = {each: (Decimal(20), "EUR") for each in (TEA, POT)}
    return Pricing({it.id: it for it, _ in books}, steps, own)


def price(of: Pricing, quantity: str, *, at: datetime = AT, named: UUID | None = None, **more: Any) -> Decimal | None:
    given = {"product": TEA, "currency": "EUR", **more}
    return of.list_price(quantity=Decimal(quantity), at=at, book=named, **given)


def line(**fields: Any) -> Line:
    return Line(**{"quantity": Decimal(1), "product_id": TEA, **fields})


@pytest.mark.parametrize(
    ("quantity", "found"), [("0.5", "9"), ("9.9999", "9"), ("10", "8"), ("99", "8"), ("100", "7"), ("5000", "7")]
)
def test_the_price_is_the_one_for_the_quantity(quantity: str, found: str) -> None:
    it = book(is_default=True)
    assert price(pricing((it, [(100, "7"), (10, "8"), (0, "9")])), quantity) == Decimal(found)


def test_a_book_has_prices_while_it_is_valid_and_then_the_product_has_its_own() -> None:
    it = book(is_default=True, valid_from=AT, valid_until=AT + DAY)
    of = pricing((it, [(0, "9")]))
    found = [price(of, "1", at=AT + each) for each in (-DAY / 2, 0 * DAY, DAY / 2, DAY)]
    assert found == [Decimal(20), Decimal(9), Decimal(9), Decimal(20)]


def test_the_book_that_is_named_counts_and_no_other() -> None:
    special, default = book(), book(is_default=True)
    of = pricing((special, [(10, "5")]), (default, [(0, "9")]))
    assert price(of, "10", named=special.id) == Decimal(5)
    assert price(of, "9", named=special.id) is None
    assert price(of, "10", product=POT, named=special.id) is None
    assert price(of, "10", named=new_id()) is None
    assert price(of, "10") == Decimal(9)


def test_of_several_defaults_the_first_with_a_price_counts() -> None:
    later, former = book(is_default=True), book(is_default=True)
    of = pricing((later, [(10, "5")]), (former, [(0, "9")]))
    assert [price(of, each) for each in ("10", "9")] == [Decimal(5), Decimal(9)]
    assert price(pricing((book(), [(0, "5")]), (former, [(0, "9")])), "1") == Decimal(9)


def test_a_book_of_another_currency_has_no_price() -> None:
    of = pricing((book(is_default=True, currency="USD"), [(0, "9")]))
    assert price(of, "1") == Decimal(20)
    assert price(of, "1", currency="USD") == Decimal(9)
    assert price(of, "1", currency="JPY") is None


def test_a_line_keeps_the_list_price_and_the_one_that_is_asked() -> None:
    of = pricing((book(is_default=True), [(0, "9")]))
    asked, listed, other = of.listed(
        [line(unit_price=Decimal(7)), line(), line(product_id=None, unit_price=Decimal(3))], "EUR", AT, None
    )
    assert (asked.unit_price, asked.list_price) == (Decimal(7), Decimal(9))
    assert (listed.unit_price, listed.list_price) == (Decimal(9), Decimal(9))
    assert (other.unit_price, other.list_price) == (Decimal(3), None)


def test_a_line_without_a_price_says_of_what() -> None:
    of = pricing((book(is_default=True), [(0, "9")]))
    words = {TEA: f"There is no price of product {TEA} in JPY for a quantity of 2.5", None: "Send it"}
    for product, said in words.items():
        lines = [line(unit_price=Decimal(7)), line(product_id=product, quantity=Decimal("2.5000"))]
        with pytest.raises(Invalid) as refused:
            of.listed(lines, "JPY", AT, None)
        assert refused.value.field == "lines.1.unit_price"
        assert str(refused.value).startswith(said)


def test_where_list_prices_are_held_to_they_are_what_they_are_or_were() -> None:
    of = pricing((book(is_default=True), [(0, "9")]))
    former = {1: line(line=1, unit_price=Decimal(8), list_price=Decimal(8))}
    sent = [line(line=1, unit_price=Decimal(8), list_price=Decimal(8)), line(list_price=Decimal(9))]
    assert [each.list_price for each in of.listed(sent, "EUR", AT, None, former=former)] == [Decimal(9)] * 2
    with pytest.raises(Invalid) as refused:
        of.listed([line(list_price=Decimal(8))], "EUR", AT, None, former=former)
    assert refused.value.field == "lines.0.list_price"
    assert of.listed([line(list_price=Decimal(8))], "EUR", AT, None)[0].list_price == Decimal(8)


def test_a_book_ends_after_it_begins() -> None:
    with pytest.raises(Invalid) as refused:
        book(valid_from=AT, valid_until=AT)
    assert refused.value.field == "valid_until"
    it = book(valid_from=AT)
    with pytest.raises(Invalid):
        it.amend(at=AT, valid_until=AT - DAY)
