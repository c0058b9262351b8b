"""The rules of a contact."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from contacts.contacts.rules import Contact
from kith.errors import Invalid, NothingAmended
from kith.events.contacts import ContactCreated

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ID, CUSTOMER = UUID(int=1), UUID(int=2)


def create() -> tuple[Contact, ContactCreated]:
    contact, event = Contact.create(
        id=ID,
        at=NOON,
        customer_id=CUSTOMER,
        name="Ada",
        email="ada@example.org",
        phone="+44 20 7946 0958",
        role="buyer",
    )
    contact.created_at = contact.updated_at = NOON
    return contact, event


def test_a_new_contact_is_published_without_what_says_who_it_is() -> None:
    contact, event = create()
    assert (contact.name, contact.email, contact.phone) == ("Ada", "ada@example.org", "+44 20 7946 0958")
    assert msgspec.json.decode(msgspec.json.encode(event)) == {
        "role": "buyer",
        "emails": [{"primary": True}],
        "phones": [{"primary": True, "country": "GB"}],
        "roles": [{"customer_id": str(CUSTOMER), "role": "buyer", "primary": True}],
    }


def test_its_dealings_are_the_customers() -> None:
    contact, _ = create()
    assert contact.relationship() == CUSTOMER


def test_a_contact_is_always_somebodys() -> None:
    with pytest.raises(TypeError, match="customer_id"):
        Contact(id=ID, name="Ada")  # type: ignore[call-arg]


def test_what_is_personal_is_amended_and_not_published() -> None:
    contact, _ = create()
    event = contact.amend(at=LATER, name="Ada King", email=None)
    assert (contact.name, contact.email, contact.phone) == ("Ada King", None, "+44 20 7946 0958")
    assert msgspec.json.decode(msgspec.json.encode(event)) == {"changed": ["email", "emails", "name"]}


def test_a_new_role_is_published() -> None:
    contact, _ = create()
    event = contact.amend(at=LATER, role="signatory")
    assert (contact.role, event.role, event.changed) == ("signatory", "signatory", ["role", "roles"])


def test_an_amendment_that_changes_nothing_is_refused() -> None:
    contact, _ = create()
    with pytest.raises(NothingAmended):
        contact.amend(at=LATER, name="Ada", role="buyer")


def test_an_amendment_from_before_the_last_change_is_refused() -> None:
    contact, _ = create()
    with pytest.raises(Invalid) as refused:
        contact.amend(at=NOON - timedelta(seconds=1), role="signatory")
    assert refused.value.field == "occurred_at"
