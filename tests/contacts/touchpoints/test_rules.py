"""The rules of a touchpoint."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from contacts.touchpoints.rules import Channel, Direction, Touchpoint

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ID, CUSTOMER, CONTACT = UUID(int=1), UUID(int=2), UUID(int=3)


def test_a_touchpoint_is_published_whole() -> None:
    fields = {
        "contact_id": CONTACT,
        "outcome": "answered",
        "duration_seconds": 180,
        "attempts": 3,
        "campaign": "spring",
        "responded": False,
        "sentiment": -40,
        "user_id": UUID(int=4),
        "about": "sales.opportunity",
        "about_id": UUID(int=5),
    }
    touchpoint, event = Touchpoint.record(
        id=ID, at=NOON, customer_id=CUSTOMER, channel=Channel.PHONE, direction=Direction.OUTBOUND, **fields
    )
    assert msgspec.structs.asdict(event) == {"channel": "phone", "direction": "outbound", **fields}
    assert {name: getattr(touchpoint, name) for name in fields} == fields


def test_its_dealings_are_the_customers() -> None:
    touchpoint, event = Touchpoint.record(
        id=ID, at=NOON, customer_id=CUSTOMER, channel=Channel.CHAT, direction=Direction.INBOUND
    )
    assert touchpoint.relationship() == CUSTOMER
    assert touchpoint.attempts == event.attempts == 1


def test_a_touchpoint_is_always_with_somebody() -> None:
    with pytest.raises(TypeError, match="customer_id"):
        Touchpoint(id=ID, channel=Channel.CHAT, direction=Direction.INBOUND)  # type: ignore[call-arg]
