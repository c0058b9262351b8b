"""The lists of a contact: addresses, numbers and roles, of which one is primary, and the single fields that show it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contacts.contacts.rules import Contact
from contacts.values import (
    ContactRole,
    EmailAddress,
    PhoneNumber,
    PostalAddress,
    PreferredTime,
    Weekday,
)
from kith.errors import Invalid, NothingAmended

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ID, CUSTOMER, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


def contact(**fields: Any) -> Contact:
    made, _ = Contact.create(id=ID, at=NOON, customer_id=CUSTOMER, name="Ada", **fields)
    made.created_at = made.updated_at = NOON
    return made


def emails(*addresses: str, primary: int | None = None) -> list[EmailAddress]:
    return [EmailAddress(address=each, primary=index == primary) for index, each in enumerate(addresses)]


def addressed(it: Contact) -> list[tuple[str, bool]]:
    return [(each.address, each.primary) for each in it.emails]


def refused(rule: str, **fields: Any) -> str:
    with pytest.raises(Invalid, match=rule) as error:
        contact(**fields)
    return str(error.value.field)


def test_the_first_is_primary_where_none_is_marked() -> None:
    it = contact(emails=emails("a@example.org", "b@example.org"))
    assert (it.email, addressed(it)) == ("a@example.org", [("a@example.org", True), ("b@example.org", False)])


def test_the_one_that_is_marked_is_primary() -> None:
    it = contact(emails=emails("a@example.org", "b@example.org", primary=1))
    assert (it.email, [each for _, each in addressed(it)]) == ("b@example.org", [False, True])


def test_two_cannot_be_primary_nor_one_be_there_twice() -> None:
    two = [EmailAddress(address=each, primary=True) for each in ("a@example.org", "b@example.org")]
    assert refused("primary", emails=two) == "emails.1.primary"
    assert refused("already", emails=emails("a@example.org", "a@example.org")) == "emails.1.address"
    same = [PhoneNumber(number="+43 1 5125 0"), PhoneNumber(number="0043 1 51250", country="AT")]
    assert refused("already", phones=same) == "phones.1.number"


def test_the_single_field_is_the_primary_one_of_the_list() -> None:
    it = contact(email="a@example.org", phone="+43 1 5125 0")
    assert it.emails == [EmailAddress(address="a@example.org", primary=True)]
    assert it.phones == [PhoneNumber(number="+43151250", written="+43 1 5125 0", country="AT", primary=True)]
    assert it.phone == "+43 1 5125 0", "as it was written"


def test_another_single_one_takes_the_place_of_the_primary_one() -> None:
    it = contact(emails=emails("a@example.org", "b@example.org", "c@example.org"))
    it.amend(at=LATER, email="d@example.org")
    assert addressed(it) == [("d@example.org", True), ("b@example.org", False), ("c@example.org", False)]
    it.amend(at=LATER, email="c@example.org")
    assert addressed(it) == [("d@example.org", False), ("b@example.org", False), ("c@example.org", True)]
    it.amend(at=LATER, email=None)
    assert (it.email, addressed(it)) == ("d@example.org", [("d@example.org", True), ("b@example.org", False)])


def test_the_primary_one_sent_again_changes_nothing_and_loses_nothing() -> None:
    it = contact(emails=emails("a@example.org"), phone="+43 1 5125 0")
    it.verify(at=LATER, email="a@example.org")
    with pytest.raises(NothingAmended):
        it.amend(at=LATER, email="a@example.org", phone="+43 1 5125 0")
    assert it.emails[0].verified_at == LATER


@pytest.mark.parametrize(
    "known",
    [
        {"country": "AT"},
        {"addresses": [PostalAddress(country="DE"), PostalAddress(country="AT", primary=True)]},
        {"phones": [PhoneNumber(number="0664 1234567", country="AT")]},
    ],
)
def test_a_number_is_dialled_in_the_country_that_is_known(known: dict[str, Any]) -> None:
    it = contact(**({"phones": [PhoneNumber(number="0664 1234567")]} | known))
    number = PhoneNumber(number="+436641234567", written="0664 1234567", country="AT", primary=True)
    assert (it.phones, it.phone) == ([number], "0664 1234567")


def test_a_number_of_no_country_is_refused() -> None:
    assert refused("Say its country", phone="0664 1234567") == "phone"
    assert refused("Say its country", phones=[PhoneNumber(number="0664 1234567")]) == "phones.0.number"
    assert refused("as many digits", phones=[PhoneNumber(number="+4312")]) == "phones.0.number"
    assert refused("Say its country", phone="0664 1234567", country="Utopia") == "phone"


def test_what_is_shown_can_be_sent_back() -> None:
    it = contact(phones=[PhoneNumber(number="0664 1234567", country="AT"), PhoneNumber(number="+43 1 5125 0")])
    with pytest.raises(NothingAmended):
        it.amend(at=LATER, phones=it.phones, roles=it.roles, emails=it.emails)


def test_a_number_of_before_that_no_country_is_known_of_can_be_sent_back() -> None:
    it = contact()
    it.phones = [PhoneNumber(number="020-7946/0958", primary=True)]
    it.amend(at=LATER, phones=[*it.phones, PhoneNumber(number="+43 1 5125 0")])
    assert [each.number for each in it.phones] == ["020-7946/0958", "+43151250"]


def test_an_address_is_verified_and_bounces() -> None:
    it = contact(emails=emails("a@example.org", "b@example.org"))
    bounced = it.bounce(at=LATER, email="b@example.org", reason="5.1.1")
    assert [each.bounced_at for each in it.emails] == [None, LATER]
    assert ([each.bounced_at for each in bounced.emails], bounced.reason) == ([None, LATER], "5.1.1")
    verified = it.verify(at=LATER, email="b@example.org")
    assert [(each.verified_at, each.bounced_at) for each in verified.emails] == [(None, None), (LATER, None)]
    with pytest.raises(Invalid) as unknown:
        it.verify(at=LATER, email="c@example.org")
    assert unknown.value.field == "email"


def test_its_own_role_is_primary_and_among_the_roles() -> None:
    assert contact().roles == [ContactRole(customer_id=CUSTOMER, primary=True)]
    it = contact(role="buyer")
    assert it.roles == [ContactRole(customer_id=CUSTOMER, role="buyer", primary=True)]
    elsewhere = ContactRole(customer_id=OTHER, role="adviser", since=date(2026, 1, 1))
    it.amend(at=LATER, roles=[elsewhere])
    assert (it.role, it.roles) == ("buyer", [ContactRole(customer_id=CUSTOMER, role="buyer", primary=True), elsewhere])
    it.amend(at=LATER, role="signatory")
    assert [each.role for each in it.roles] == ["signatory", "adviser"]
    it.amend(at=LATER, roles=[elsewhere, ContactRole(customer_id=CUSTOMER, role="owner")])
    assert (it.role, [each.primary for each in it.roles]) == ("owner", [False, True])


def test_the_primary_role_is_at_its_own_customer_and_ends_after_it_begins() -> None:
    assert refused("customer", roles=[ContactRole(customer_id=OTHER, primary=True)]) == "roles.0.customer_id"
    wrong = ContactRole(customer_id=CUSTOMER, since=date(2026, 2, 1), until=date(2026, 1, 31))
    assert refused("ends", roles=[wrong]) == "roles.0.until"


def test_a_preferred_time_ends_after_it_begins() -> None:
    wrong = PreferredTime(days=[Weekday.MONDAY], begins="12:00", ends="12:00")
    assert refused("ends", preferred_times=[wrong]) == "preferred_times.0.ends"


def test_an_erased_contact_forgets_all_of_it() -> None:
    it = contact(
        emails=emails("a@example.org"),
        phones=[PhoneNumber(number="+43 1 5125 0")],
        addresses=[PostalAddress(street="Ring 1")],
        preferred_times=[PreferredTime(begins="09:00", ends="12:00")],
        salutation="Dr",
        title="Head of beans",
        language="de",
        time_zone="Europe/Vienna",
        role="buyer",
    )
    it.erase(at=LATER, actor="user:ann")
    assert {each for each in vars(it).values() if isinstance(each, str)} == {"buyer"}
    assert [it.emails, it.phones, it.addresses, it.preferred_times] == [[], [], [], []]
