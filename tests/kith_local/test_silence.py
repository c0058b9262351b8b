"""Which part of a set is sent first, whom it shows, and what comes of a subscription."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from kith_local.live import NotSubscribed, subscribe
from kith_local.replay.api import Api
from kith_local.replay.commands import CUSTOMERS, ORDERS, Mapped, Reference
from kith_local.replay.files import Row
from kith_local.replay.shift import last_of
from kith_local.silence.choice import AHEAD, SHARE, Sinking, part_of, sinking_next

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = Row("file", 1, 1, {})


def a_set() -> Mapped:
    """Twenty customers, each with an order on another day; the last customer's is the last event."""
    mapped = Mapped()
    for number in range(2 * SHARE):
        customer = mapped.add(CUSTOMERS, ROW, f"c-{number}", NOON - timedelta(days=50))
        mapped.add(ORDERS, ROW, f"o-{number}", NOON - timedelta(days=40 - number), customer_id=customer)
    return mapped


def test_the_part_has_some_customers_with_all_that_is_theirs() -> None:
    part = part_of(a_set(), NOON).commands
    chosen = [each.external_id for each in part[CUSTOMERS]]
    assert chosen == ["c-0", f"c-{SHARE}"]
    assert [each.fields["customer_id"] for each in part[ORDERS]] == [Reference(CUSTOMERS, each) for each in chosen]


def test_the_part_is_moved_as_the_whole_set_is() -> None:
    whole = a_set()
    first = whole.commands[ORDERS][0].at
    assert part_of(whole, NOON).commands[ORDERS][0].at - first == NOON - last_of(whole)


@pytest.fixture
def api() -> Callable[[list[Any]], Api]:
    def listing(upcoming: list[Any]) -> Api:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v1/health/upcoming":
                return httpx.Response(200, json={"items": upcoming})
            return httpx.Response(200, json={"external_id": f"of {request.url.path.rpartition('/')[2]}"})

        urls = {"analytics": "http://analytics", "contacts": "http://contacts"}
        return Api(httpx.AsyncClient(transport=httpx.MockTransport(answer)), urls, "token")

    return listing


async def test_the_next_one_is_chosen_that_leaves_time_to_send_the_set(api: Callable[[list[Any]], Api]) -> None:
    soon, later, last = (
        {"customer_id": name, "due_at": (NOON + AHEAD + timedelta(seconds=seconds)).isoformat()}
        for name, seconds in (("soon", -1), ("later", 5), ("last", 9))
    )
    found = await sinking_next(api([soon, later, last]), NOON)
    assert found == Sinking("of later", AHEAD + timedelta(seconds=5))
    assert found.end_for(NOON) == NOON - AHEAD - timedelta(seconds=5)
    assert await sinking_next(api([soon]), NOON) is None


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Callable[[httpx.Response], list[Any]]:
    """What is read of an answer of the gateway, with what ended it."""
    client = httpx.AsyncClient

    def read(answer: httpx.Response) -> list[Any]:
        monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=httpx.MockTransport(lambda _: answer)))
        found: list[Any] = []

        async def follow() -> None:
            try:
                async for data in subscribe("http://gateway", "token", "subscription { beat }"):
                    found.append(data)  # noqa: PERF401 - what came before it ended counts
            except NotSubscribed as ended:
                found.append(str(ended))

        asyncio.run(follow())
        return found

    return read


def stream(*messages: Any) -> httpx.Response:
    events = [f"event: next\ndata: {json.dumps(each)}\n\n" for each in messages]
    return httpx.Response(200, text=":\n\n" + ":\n\n".join(events) + "event: complete\ndata:\n\n")


def test_a_subscription_gives_the_data_of_each_message_and_tells_when_it_is_over(
    gateway: Callable[[httpx.Response], list[Any]],
) -> None:
    events = gateway(stream({"data": {"beat": 1}}, {"data": {"beat": 2}}))
    assert events == [{"beat": 1}, {"beat": 2}, "The gateway ended the subscription."]


def test_a_subscription_that_is_refused_says_why(gateway: Callable[[httpx.Response], list[Any]]) -> None:
    assert gateway(stream({"errors": [{"message": "Who asks?"}]})) == ["The subscription was refused: Who asks?"]
    assert gateway(httpx.Response(503, text="later")) == ["The gateway refused: 503 later"]
