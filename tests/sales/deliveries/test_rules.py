"""Deliveries: never more than is left of an order, when it is whole, and whether that was on time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from kith.errors import Invalid
from kith.ids import new_id
from sales.deliveries.rules import (
    MOST_DELIVERIES,
    Delivery,
    DeliveryAlreadyCancelled,
    DeliveryState,
    Fulfilment,
    OrderDeliveredWhole,
)
from sales.orders.rules import MoreThanIsLeft, OrderedLine
from sales.values import DeliveredLine

PLACED = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ORDER, TEA = new_id(), new_id()


def ordered() -> Mapping[UUID, Fulfilment]:
    lines = {n: OrderedLine(Decimal(each), Decimal(10), TEA, "tea") for n, each in {1: 3, 2: 1}.items()}
    return {ORDER: Fulfilment(PLACED, PLACED + 5 * DAY, lines)}


def line(number: int, quantity: int) -> DeliveredLine:
    return DeliveredLine(line=number, quantity=Decimal(quantity))


def made(of: Mapping[UUID, Fulfilment], *lines: DeliveredLine, day: float = 1) -> Delivery:
    at = PLACED + day * DAY
    it, event = Delivery.make(id=new_id(), at=at, order_id=ORDER, lines=[*lines], fulfilments=of)
    it.created_at = it.updated_at = at
    assert (event.completes, event.on_time, event.promised_at) == (it.completes, it.on_time, of[ORDER].promised_at)
    of[ORDER].add(it, at)
    return it


def cancelled(of: Mapping[UUID, Fulfilment], it: Delivery) -> None:
    it.cancel(at=it.updated_at, fulfilments=of)
    of[ORDER].take_back(it)


def test_an_order_is_whole_with_the_delivery_after_which_nothing_is_left() -> None:
    of = ordered()
    first, second = made(of, line(1, 2), line(2, 1)), made(of, line(1, 1))
    assert [(each.completes, each.on_time) for each in (first, second)] == [(False, None), (True, True)]
    assert (first.lines[0].product_id, first.lines[0].family) == (TEA, "tea")


def test_without_lines_it_is_of_all_that_is_left() -> None:
    of = ordered()
    made(of, line(1, 2))
    rest = made(of)
    assert [(each.line, each.quantity) for each in rest.lines] == [(1, Decimal(1)), (2, Decimal(1))]
    assert rest.completes


def test_an_order_without_lines_comes_as_one() -> None:
    of = {ORDER: Fulfilment(PLACED, None, {})}
    it = made(of)
    assert (it.completes, it.on_time, it.lines) == (True, None, [])
    with pytest.raises(MoreThanIsLeft):
        made(of)


@pytest.mark.parametrize(
    ("days", "on_time"), [((1, 5), True), ((1, 5.001), False), ((6, 2), False), ((5.001, 1), False)]
)
def test_the_last_delivery_decides_in_whatever_order_they_are_recorded(
    days: tuple[float, float], on_time: bool
) -> None:
    of = ordered()
    made(of, line(1, 3), day=days[0])
    assert made(of, line(2, 1), day=days[1]).on_time is on_time


def test_no_more_than_is_left_is_delivered() -> None:
    of = ordered()
    made(of, line(1, 2))
    with pytest.raises(MoreThanIsLeft) as refused:
        made(of, line(2, 1), line(1, 2))
    assert refused.value.field == "lines.1.quantity"
    with pytest.raises(Invalid):
        made(of, line(3, 1))
    with pytest.raises(Invalid) as early:
        made(of, line(1, 1), day=-0.001)
    assert early.value.field == "occurred_at"


def test_what_a_cancelled_delivery_had_is_left_again() -> None:
    of = ordered()
    first = made(of, line(1, 3), day=6)
    cancelled(of, first)
    assert (first.state, of[ORDER].lines[1].left) == (DeliveryState.CANCELLED, Decimal(3))
    assert made(of, day=4).on_time is True  # that it was late once is not so any more
    for change in (lambda: first.cancel(at=first.updated_at, fulfilments=of), lambda: first.amend(at=PLACED + 9 * DAY)):
        with pytest.raises(DeliveryAlreadyCancelled):
            change()


def test_of_a_whole_order_the_delivery_that_made_it_so_is_cancelled_first() -> None:
    of = ordered()
    first, last = made(of, line(1, 3)), made(of)
    with pytest.raises(OrderDeliveredWhole):
        cancelled(of, first)
    cancelled(of, last)
    cancelled(of, first)
    assert (of[ORDER].completed_by, of[ORDER].made_at, len(of[ORDER].rest())) == (None, {}, 2)


def test_an_amendment_says_by_whom_it_came() -> None:
    it = made(ordered())
    event = it.amend(at=it.updated_at, carrier="dhl", tracking="JD01")
    assert (event.changed, event.carrier, it.tracking) == (["carrier", "tracking"], "dhl", "JD01")


def test_an_order_has_so_many_deliveries_and_no_more() -> None:
    of = ordered()
    of[ORDER].made_at.update({new_id(): PLACED for _ in range(MOST_DELIVERIES)})
    with pytest.raises(Invalid) as refused:
        made(of, line(1, 1))
    assert refused.value.field == "order_id"
