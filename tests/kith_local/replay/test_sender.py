from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.kith_local.replay.house import RECORDED, House, Silent

from kith_local.replay.api import Api, ApiError
from kith_local.replay.commands import CUSTOMERS, OPPORTUNITIES, ORDERS, USERS, Mapped
from kith_local.replay.files import Row
from kith_local.replay.sender import Sender, Tally, batches

ORIGIN = Row("file.csv", 1, 2, {})
AT = datetime(2011, 6, 1, tzinfo=UTC)


def orders(count: int) -> Mapped:
    """Of one customer."""
    mapped = Mapped()
    customer = mapped.add(CUSTOMERS, ORIGIN, "17850", AT, kind="person", name="Somebody", tier=None)
    for number in range(count):
        mapped.add(ORDERS, ORIGIN, str(number), AT, customer_id=customer, value=Decimal("1.5000"))
    return mapped


async def test_references_are_sent_as_the_ids_that_were_answered(api: Api, house: House, progress: Silent) -> None:
    await Sender(api, progress).send(orders(1).commands)
    (order,) = house.sent_to("orders")
    assert order == {
        "external_id": "0",
        "occurred_at": "2011-06-01T00:00:00+00:00",
        "customer_id": str(house.ids["/v1/customers:bulk", "17850"]),
        "value": "1.5000",
    }
    assert "tier" not in house.sent_to("customers")[0]


async def test_all_are_sent_once_in_batches_and_counted(api: Api, house: House, progress: Silent) -> None:
    sent = await Sender(api, progress, batch=10).send(orders(95).commands)
    assert house.requests["/v1/orders:bulk"] == 10
    assert sorted(int(row["external_id"]) for row in house.sent_to("orders")) == list(range(95))
    assert sent.tallies[ORDERS] == Tally(commands=95, accepted=95, events=95)
    assert sent.events == 96
    assert sent.positions == {"contacts": RECORDED, "sales": RECORDED}
    assert progress.reported == [("contacts customers", 1), ("sales orders", 95)]
    assert progress.done == 96


async def test_what_names_its_own_noun_goes_after_what_it_names(api: Api, house: House, progress: Silent) -> None:
    mapped = Mapped()
    parent = None
    for name in ("parent", "child", "grandchild"):
        parent = mapped.add(CUSTOMERS, ORIGIN, name, AT, parent_id=parent)
        mapped.add(CUSTOMERS, ORIGIN, f"beside {name}", AT)
    mapped.add(CUSTOMERS, ORIGIN, "child", AT, "amend", tier="gold")
    await Sender(api, progress).send(mapped.commands)
    rows = house.sent_to("customers")
    parents = {row["external_id"]: row["parent_id"] for row in rows if "parent_id" in row}
    assert parents == {
        "child": str(house.ids["/v1/customers:bulk", "parent"]),
        "grandchild": str(house.ids["/v1/customers:bulk", "child"]),
    }
    assert [row.get("command") for row in rows if row["external_id"] == "child"] == [None, "amend"]
    assert (house.requests["/v1/customers:bulk"], progress.done) == (3, 7)


async def test_what_names_one_that_was_rejected_is_rejected(api: Api, house: House, progress: Silent) -> None:
    house.refused = lambda row: row["external_id"] == "u-1"
    mapped = Mapped()
    user = mapped.add(USERS, ORIGIN, "u-1", AT, name="Somebody")
    mapped.add(CUSTOMERS, ORIGIN, "c-1", AT, owner_id=user)
    sent = await Sender(api, progress).send(mapped.commands)
    assert [each.reason for each in sent.rejected][1:] == ["new customers: its user was rejected"]


async def test_sent_twice_all_is_unchanged(api: Api, house: House, progress: Silent) -> None:
    await Sender(api, progress).send(orders(5).commands)
    again = await Sender(api, progress).send(orders(5).commands)
    assert again.tallies[ORDERS] == Tally(commands=5, unchanged=5)
    assert again.events == 0


def unavailable() -> httpx.Response:
    return httpx.Response(503, json={"detail": "Something this needs is not available now; try again."})


def unreachable() -> httpx.Response:
    raise httpx.ConnectError("refused")


def lost() -> httpx.Response:
    raise httpx.ReadError("")


async def test_what_fails_for_a_while_is_sent_again(api: Api, house: House, progress: Silent) -> None:
    house.failures = [unavailable, unreachable, lost]
    sent = await Sender(api, progress).send(orders(5).commands)
    assert sent.tallies[ORDERS].accepted == 5
    assert not house.failures


async def test_what_fails_for_too_long_is_reported(api: Api, house: House, progress: Silent) -> None:
    house.failures = [unavailable] * 1000
    with pytest.raises(ApiError, match=r"customers:bulk failed for 0 s, the last time with: 503 Something this needs"):
        await Sender(api, progress).send(orders(5).commands)


async def test_a_refused_request_is_reported_at_once(api: Api, house: House, progress: Silent) -> None:
    house.failures = [lambda: httpx.Response(403, json={"detail": "The token lacks sales:write."})]
    with pytest.raises(ApiError, match=r"was refused: 403 The token lacks sales:write.$"):
        await Sender(api, progress).send(orders(5).commands)
    assert house.requests.total() == 1


async def test_a_rejected_row_stops_no_other(api: Api, house: House, progress: Silent) -> None:
    house.refused = lambda row: row["external_id"] == "3"
    sent = await Sender(api, progress).send(orders(5).commands)
    assert sent.tallies[ORDERS] == Tally(commands=5, accepted=4, rejected=1, events=4)
    (rejected,) = sent.rejected
    assert rejected.reason == "new orders: invalid value"
    assert rejected.detail == "3: value: Input should be greater than or equal to 0"


async def test_what_refers_to_something_rejected_is_rejected_too(api: Api, house: House, progress: Silent) -> None:
    house.refused = lambda row: row["external_id"] == "17850"
    sent = await Sender(api, progress).send(orders(3).commands)
    assert sent.tallies[ORDERS] == Tally(commands=3, rejected=3)
    assert {each.reason for each in sent.rejected[1:]} == {"new orders: its customer was rejected"}
    assert sent.rejected[1].detail == "0: customer 17850"
    assert not house.sent_to("orders")


def test_commands_on_one_thing_stay_in_one_batch() -> None:
    mapped = Mapped()
    for external_id, verb in (("a", None), ("a", "win"), ("b", None), ("b", "win"), ("b", "lose"), ("c", None)):
        mapped.add(OPPORTUNITIES, ORIGIN, external_id, AT, verb)
    found = [[command.external_id for command in batch] for batch in batches(mapped.commands[OPPORTUNITIES], 3)]
    assert found == [["a", "a", "b", "b", "b"], ["c"]]


@pytest.mark.parametrize(
    ("value", "sent"),
    [(Decimal("12.5000"), "12.5000"), (Decimal("1E+3"), "1000"), (True, True), (7, 7), ("text", "text")],
)
def test_values_are_sent_as_the_api_takes_them(value: Any, sent: Any) -> None:
    mapped = Mapped()
    mapped.add(ORDERS, ORIGIN, "1", AT, None, value=value)
    (command,) = mapped.commands[ORDERS]
    assert command.body({})["value"] == sent


def test_a_command_names_its_verb() -> None:
    mapped = Mapped()
    mapped.add(OPPORTUNITIES, ORIGIN, "1", AT, "win", value=None)
    assert mapped.commands[OPPORTUNITIES][0].body({}) == {
        "command": "win",
        "external_id": "1",
        "occurred_at": "2011-06-01T00:00:00+00:00",
    }
