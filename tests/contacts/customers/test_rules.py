"""The rules of a customer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from contacts.customers.rules import Customer, CustomerKind
from kith.errors import Invalid, NothingAmended
from kith.events.contacts import CustomerCreated

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ID, REFERRER = UUID(int=1), UUID(int=2)


def create(**fields: Any) -> tuple[Customer, CustomerCreated]:
    given = {"kind": CustomerKind.PERSON, "name": "Ada Lovelace", "tags": [], **fields}
    customer, event = Customer.create(id=ID, at=NOON, **given)
    customer.created_at = customer.updated_at = NOON
    return customer, event


def test_a_new_customer_is_published_without_its_name() -> None:
    published = {
        "country": "GB",
        "segment": "smb",
        "tier": "gold",
        "source": "fair",
        "owner": "eve",
        "referred_by": REFERRER,
    }
    customer, event = create(**published, tags=["vip"])
    assert customer.name == "Ada Lovelace"
    assert msgspec.structs.asdict(event) == {"kind": "person", "tags": ["vip"], **published}


def test_its_dealings_are_its_own() -> None:
    customer, _ = create()
    assert customer.relationship() == ID


def test_tags_are_kept_in_order_and_each_once() -> None:
    customer, event = create(tags=["vip", "beta", "vip"])
    assert customer.tags == event.tags == ["beta", "vip"]


def test_only_what_was_sent_is_amended() -> None:
    customer, _ = create(segment="smb", tier="gold")
    event = customer.amend(at=LATER, tier="silver", tags=["b", "a"])
    assert (customer.segment, customer.tier, customer.tags) == ("smb", "silver", ["a", "b"])
    assert msgspec.json.decode(msgspec.json.encode(event)) == {
        "changed": ["tags", "tier"],
        "tier": "silver",
        "tags": ["a", "b"],
    }


def test_what_was_sent_as_null_is_cleared() -> None:
    customer, _ = create(segment="smb")
    event = customer.amend(at=LATER, segment=None)
    assert customer.segment is None
    assert (event.changed, event.segment) == (["segment"], None)


def test_a_new_name_is_not_published() -> None:
    customer, _ = create()
    event = customer.amend(at=LATER, name="Ada King")
    assert customer.name == "Ada King"
    assert msgspec.json.decode(msgspec.json.encode(event)) == {"changed": ["name"]}


def test_what_is_sent_but_unchanged_is_not_published_as_a_change() -> None:
    customer, _ = create(segment="smb")
    assert customer.amend(at=LATER, segment="smb", tier="gold").changed == ["tier"]


@pytest.mark.parametrize("fields", [{}, {"name": "Ada Lovelace"}, {"tier": None}, {"tags": ["b", "a", "a"]}])
def test_an_amendment_that_changes_nothing_is_refused(fields: dict[str, Any]) -> None:
    customer, _ = create(tags=["a", "b"])
    with pytest.raises(NothingAmended):
        customer.amend(at=LATER, **fields)


def test_an_amendment_from_before_the_last_change_is_refused() -> None:
    customer, _ = create()
    with pytest.raises(Invalid) as refused:
        customer.amend(at=NOON - timedelta(seconds=1), tier="gold")
    assert refused.value.field == "occurred_at"
    assert customer.tier is None


def test_a_customer_cannot_have_referred_itself() -> None:
    customer, _ = create()
    with pytest.raises(Invalid) as refused:
        customer.amend(at=LATER, referred_by=ID)
    assert refused.value.field == "referred_by"
    assert customer.amend(at=LATER, referred_by=REFERRER).referred_by == REFERRER
