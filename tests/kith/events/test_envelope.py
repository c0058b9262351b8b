"""An event's envelope is read alike from any producer."""

from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from uuid import UUID, uuid4

import pytest

from kith.bus.port import Headers
from kith.events.envelope import Envelope, UnknownVersion


def envelope(*, customer_id: UUID | None = None, traceparent: str | None = None, actor: str | None = None) -> Envelope:
    return Envelope(
        id=uuid4(),
        source="sales",
        type="sales.order.placed.v1",
        subject=uuid4(),
        time=datetime(2026, 3, 1, 12, 30, 0, 125_000, tzinfo=UTC),
        tenant_id="acme",
        customer_id=customer_id,
        aggregate_version=7,
        recorded_at=datetime(2026, 3, 1, 12, 30, 1, tzinfo=UTC),
        traceparent=traceparent,
        actor=actor,
        data=b'{"value":"1"}',
    )


KINDS = [
    envelope(customer_id=customer, traceparent=trace, actor=actor)
    for customer, trace, actor in product(
        (None, uuid4()), (None, f"00-{1:032x}-{2:016x}-01"), (None, "client:kith-local")
    )
]


def replaced(headers: Headers, name: str, text: bytes) -> Headers:
    return tuple((each, text if each == name else value) for each, value in headers)


@pytest.mark.parametrize("written", KINDS)
def test_what_was_written_is_read(written: Envelope) -> None:
    assert Envelope.from_message(written.headers(), written.data) == written


@pytest.mark.parametrize("written", KINDS)
def test_the_order_of_headers_and_others_headers_do_not_matter(written: Envelope) -> None:
    headers = [*written.headers(), ("partitionkey", b"\xff")]
    Random(1).shuffle(headers)
    assert Envelope.from_message(tuple(headers), written.data) == written


@pytest.mark.parametrize("written", KINDS)
def test_times_may_be_written_in_other_ways_and_zones(written: Envelope) -> None:
    headers = replaced(written.headers(), "ce_time", b"2026-03-01 14:30:00.125+02:00")
    headers = replaced(headers, "ce_recordedat", b"2026-03-01T12:30:01Z")
    read = Envelope.from_message(headers, written.data)
    assert read == written
    assert read.time.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_subject", "ce_time", "ce_recordedat", "ce_customerid"])
@pytest.mark.parametrize("text", [b'x","y', b'"', b"\\", b"\\u0030", b"\xff", b"\n", b"null", b"0"])
def test_no_text_is_taken_for_more_than_its_header(name: str, text: bytes) -> None:
    headers = KINDS[-1].headers()
    before = dict(headers)[name]
    for smuggled in (text, before + text, before + b'","' + before):
        with pytest.raises(UnknownVersion, match=r"malformed|specversion"):
            Envelope.from_message(replaced(headers, name, smuggled), b"{}")


@pytest.mark.parametrize("name", [name for name, _ in KINDS[0].headers() if name.startswith("ce_")])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(UnknownVersion, match=name):
        Envelope.from_message(tuple(each for each in KINDS[0].headers() if each[0] != name), b"{}")


def test_a_header_without_a_value_is_no_event() -> None:
    headers = replaced(KINDS[0].headers(), "ce_id", None)  # type: ignore[arg-type]  # as Kafka may have it
    with pytest.raises(UnknownVersion, match="malformed"):
        Envelope.from_message(headers, b"{}")
