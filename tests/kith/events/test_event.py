"""What an event type declares, and that none contradicts itself."""

from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest

from kith.events import catalogue
from kith.events.catalogue import current, decode, newer_of, nouns_of, upcast, versions_of
from kith.events.envelope import Envelope
from kith.events.event import Amended, Event, Replaced


class QuoteIssued(Event):
    type: ClassVar[str] = "sales.quote.issued.v1"
    creates: ClassVar[bool] = True
    value: Decimal


class QuoteIssuedV2(Event):
    """The amount got another name, and the currency, which had been euros, is said."""

    type: ClassVar[str] = "sales.quote.issued.v2"
    creates: ClassVar[bool] = True
    amount: Decimal
    currency: str

    @classmethod
    def upcast(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {"amount": body["value"], "currency": "EUR"}


class QuoteIssuedV3(Event):
    type: ClassVar[str] = "sales.quote.issued.v3"
    creates: ClassVar[bool] = True
    amount: Decimal
    currency: str
    channel: str

    @classmethod
    def upcast(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "channel": "letter"}


class QuoteAmended(Amended):
    type: ClassVar[str] = "sales.quote.amended.v1"
    valid_days: int | None = None


class QuoteAccepted(Event):
    type: ClassVar[str] = "sales.quote.accepted.v1"
    signed_by: str


VERSIONS: tuple[type[Event], ...] = (QuoteIssued, QuoteIssuedV2, QuoteIssuedV3)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "EVENTS", {kind.type: kind for kind in VERSIONS})
    monkeypatch.setattr(catalogue, "NEWER", newer_of(VERSIONS))


def test_what_an_aggregate_keeps_is_what_it_is_created_and_amended_with() -> None:
    noun = nouns_of((QuoteIssued, QuoteAmended, QuoteAccepted))["sales.quote"]
    assert noun.attributes == {"value", "valid_days"}
    assert not noun.happens_once
    assert nouns_of((QuoteIssued,))["sales.quote"].happens_once


def test_what_is_replaced_as_a_whole_happens_again_and_again() -> None:
    class TermsReplaced(Replaced):
        type: ClassVar[str] = "sales.terms.replaced.v1"
        days: int

    noun = nouns_of((TermsReplaced,))["sales.terms"]
    assert noun.attributes == {"days"}
    assert not noun.happens_once


def test_a_noun_that_no_event_creates_is_named() -> None:
    with pytest.raises(TypeError, match=r"^No event creates a sales\.quote: sales\.quote\.accepted\.v1$"):
        nouns_of((QuoteAccepted,))


def test_an_event_may_happen_to_another_noun_of_its_service_than_its_type_names() -> None:
    class QuoteWithdrawn(Event):
        type: ClassVar[str] = "sales.quote.withdrawn.v1"
        noun: ClassVar[str] = "sales.withdrawal"

    assert QuoteWithdrawn.noun == "sales.withdrawal"
    assert QuoteAccepted.noun == "sales.quote"
    with pytest.raises(TypeError, match=r"sales\.quote\.sent\.v1: 'contacts\.letter' is no noun of sales"):
        type("QuoteSent", (Event,), {"type": "sales.quote.sent.v1", "noun": "contacts.letter"})


@pytest.mark.parametrize("name", ["sales.quote.v1", "sales.quote.sent", "sales.quote.sent.1", "sales..sent.v1"])
def test_a_type_that_is_not_named_like_an_event_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=r"QuoteSent: .* is not named like an event"):
        type("QuoteSent", (Event,), {"type": name})


def test_a_second_version_reads_the_first_and_a_first_reads_none() -> None:
    with pytest.raises(TypeError, match=r"sales\.quote\.sent\.v2 has to upcast sales\.quote\.sent\.v1"):
        type("QuoteSentV2", (Event,), {"type": "sales.quote.sent.v2"})
    with pytest.raises(TypeError, match="has to upcast nothing"):
        type("QuoteSent", (Event,), {"type": "sales.quote.sent.v1", "upcast": classmethod(lambda _, body: body)})
    with pytest.raises(TypeError, match=r"issued\.v2 supersedes sales\.quote\.issued\.v1, which is not there"):
        newer_of((QuoteIssuedV2,))


def test_an_event_of_an_old_version_is_read_as_the_newest(published: None) -> None:
    old = ("sales.quote.issued.v1", {"value": "12"})
    assert upcast("t", *old) == ("sales.quote.issued.v3", {"amount": "12", "currency": "EUR", "channel": "letter"})
    assert current("sales.quote.issued.v1") == "sales.quote.issued.v3"
    assert list(versions_of(QuoteIssuedV3.type)) == [kind.type for kind in reversed(VERSIONS)]


def test_a_consumer_gets_the_newest_version_of_what_was_published_in_another(published: None) -> None:
    def published_as(event: Event) -> Envelope:
        given: dict[str, Any] = dict.fromkeys(Envelope.__struct_fields__)
        return Envelope(**{**given, "type": event.type, "data": msgspec.json.encode(event)})

    today = QuoteIssuedV3(amount=Decimal(12), currency="EUR", channel="letter")
    assert decode(published_as(QuoteIssued(value=Decimal(12))), QuoteIssuedV3) == today
    assert decode(published_as(today), QuoteIssuedV3) == today


def test_of_a_noun_the_newest_versions_count() -> None:
    noun = nouns_of(VERSIONS)["sales.quote"]
    assert noun.types == ("sales.quote.issued.v3",)
    assert noun.attributes == {"amount", "currency", "channel"}


@pytest.mark.parametrize(
    ("bases", "declared", "said"),
    [
        ((Amended,), {"creates": True}, "what is Amended has creates = False"),
        ((Replaced,), {"creates": False}, "what is Replaced has creates = True"),
        ((Event,), {"creates": "yes"}, "creates is True or False"),
        ((Event,), {"type": "sales.quote.issued.v0"}, "not named like an event"),
        ((Event,), {"type": "sales.quote.issued.v01"}, "not named like an event"),
        ((Event,), {"noun": "sales."}, "no noun of sales"),
        ((Event,), {"type": "sales.quote.issued.v2", "upcast": None}, "has to upcast sales.quote.issued.v1"),
    ],
)
def test_a_class_that_contradicts_itself_is_none(bases: tuple[type, ...], declared: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        type("Wrong", bases, {"type": "sales.quote.issued.v1", **declared})


@pytest.mark.parametrize("declared", [{"noun": "sales.offer"}, {"creates": False}, {"starts_clock": True}])
def test_a_next_version_declares_what_the_one_before_does(declared: dict[str, Any]) -> None:
    other = type(
        "Other", (QuoteIssuedV2,), {"type": QuoteIssuedV2.type, "upcast": vars(QuoteIssuedV2)["upcast"], **declared}
    )
    with pytest.raises(TypeError, match=r"sales\.quote\.issued\.v2 declares another noun"):
        newer_of((QuoteIssued, other))


def test_the_first_version_reads_none_before_it() -> None:
    with pytest.raises(TypeError, match="is the first version"):
        QuoteIssued.upcast({})
