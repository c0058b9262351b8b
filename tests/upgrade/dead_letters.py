"""Events that cannot be published, and events that cannot be applied."""

import json
from datetime import UTC, datetime
from uuid import uuid4

from tests.kith.consumer.world import eventually
from tests.upgrade.house import BUS, House

from kith.bus import open_bus
from kith.bus.port import Outgoing
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.outbox.relay import topic_of
from kith.testing import Answer


async def make_dead_letters(house: House, tenant: str) -> None:
    """Makes dead letters of all kinds: events that cannot be published, events parked behind them, and events that
    cannot be applied. One is amended and replayed, one is discarded, the rest stay unresolved."""
    before = datetime(2026, 5, 1, tzinfo=UTC)
    sound = json.dumps({"value": "12.5000", "currency": "EUR"})
    for _ in range(3):
        subject, type = uuid4(), "sales.order.placed.v1"
        for version, data in enumerate(("[1, 2]", sound), start=1):
            await house.insert_event("sales", tenant, type, subject, subject, version, before, data)
    async with open_bus(None, house.urls[BUS]) as bus, bus.producer() as producer:
        for service, of_type, body in (
            ("contacts", "contacts.customer.created.v1", {"kind": 7}),
            ("contacts", "contacts.settings.changed.v1", {"time_zone": "Nowhere/At_All", "activity": 3}),
            ("analytics", "analytics.action.requested.v1", {**_ACTION, "kind": "case", "priority": "urgent"}),
            ("analytics", "analytics.action.requested.v1", {**_ACTION, "kind": "task", "reason": "x" * 900}),
        ):
            envelope = _envelope(service, of_type, tenant, before, body)
            message = Outgoing(topic_of(service), envelope.key(), envelope.data, envelope.headers())
            await producer.publish([message])

    async def are_there() -> bool:
        counts = [
            len(await dead_letters_of(house, tenant, service)) for service in ("sales", "analytics", "service-desk")
        ]
        return counts[0] >= 7 and counts[1] >= 1 and counts[2] >= 1

    await eventually(are_there)
    unpublished = [
        each for each in await dead_letters_of(house, tenant, "sales") if each["type"] == "sales.order.placed.v1"
    ]
    first, second, *_ = [each for each in unpublished if not each["parked"]]
    sales = house.tenant("sales", tenant)
    for path, body in (
        (f"{first['id']}:amend", {"body": json.loads(sound), "note": "by the till"}),
        (f"{first['id']}:replay", {}),
        (f"{second['id']}:discard", {"note": "a test"}),
    ):
        answer = await sales.post(f"/v1/dead-letters/{path}", body)
        assert answer.status_code in (200, 202), answer.text


async def dead_letters_of(house: House, tenant: str, service: str) -> list[Answer]:
    found: list[Answer] = (await house.tenant(service, tenant).get("/v1/dead-letters", first=500)).json()["items"]
    return found


_ACTION = {"playbook_id": str(uuid4()), "run_id": str(uuid4()), "trigger": "band_changed", "title": "Call them"}


def _envelope(service: str, type: str, tenant: str, at: datetime, data: object) -> Envelope:
    return Envelope(
        id=new_id(),
        source=service,
        type=type,
        subject=new_id(),
        time=at,
        tenant_id=tenant,
        customer_id=new_id(),
        aggregate_version=1,
        recorded_at=datetime.now(UTC),
        traceparent=None,
        data=json.dumps(data).encode(),
    )
