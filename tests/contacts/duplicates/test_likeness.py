"""How alike two records are, and why."""

from dataclasses import replace

import pytest

from contacts.duplicates.likeness import LEAST, Reason, Sketch, host_of, likeness, plain
from kith.ids import new_id


def customer(name: str, website: str | None = None, kind: str = "organisation") -> Sketch:
    return Sketch(id=new_id(), name=plain(name), kind=kind, host=host_of(website))


def contact(name: str, **fields: str) -> Sketch:
    given = {key: frozenset([value]) for key, value in fields.items()}
    return Sketch(id=new_id(), name=plain(name), **given)  # type: ignore[arg-type]  # both are sets of texts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Teehaus Graben", "Teehaus am Graben"),
        ("Acme Works GmbH", "ACME WORKS"),
        ("Müller & Söhne", "Sohne Muller"),
        ("株式会社丸紅商事", "丸紅商事"),
        ("北京茶叶有限公司", "北京茶叶"),
    ],
)
def test_names_that_are_written_otherwise_are_alike(one: str, other: str) -> None:
    assert likeness(customer(one), customer(other)).score >= LEAST


@pytest.mark.parametrize(("one", "other"), [("Teehaus Graben", "Kaffee Sacher"), ("北京茶叶", "上海茶叶"), ("", "")])
def test_other_names_are_not(one: str, other: str) -> None:
    assert likeness(customer(one), customer(other)).score < LEAST


def test_a_name_that_is_a_legal_form_alone_is_a_name() -> None:
    assert plain("Co") == "co"


def test_people_of_one_name_are_less_alike_than_organisations() -> None:
    people = likeness(customer("Ann Berg", kind="person"), customer("Ann Berg", kind="person"))
    organisations = likeness(customer("Ann Berg"), customer("Ann Berg"))
    assert LEAST <= people.score < organisations.score < 100


def test_a_person_is_no_organisation() -> None:
    assert likeness(customer("Ann Berg", kind="person"), customer("Ann Berg")) == (0, [])


def test_a_shared_website_address_or_number_counts_and_is_told() -> None:
    site = likeness(customer("Tea Ltd", "https://www.tea.example/en"), customer("House of Tea", "http://tea.example"))
    assert (site.score >= LEAST, site.reasons) == (True, [Reason.SAME_WEBSITE])
    mail = likeness(contact("Ann Berg", emails="a@b.example"), contact("A. Berg", emails="a@b.example"))
    assert (mail.score >= 90, mail.reasons[0]) == (True, Reason.SAME_EMAIL)


def test_colleagues_with_the_number_of_a_switchboard_are_not_one() -> None:
    one, other = contact("Ann Berg", phones="+4315550000"), contact("Tom Fuchs", phones="+4315550000")
    assert likeness(one, other).score < LEAST


def test_two_of_one_name_at_one_customer_are_more_alike() -> None:
    one, other = contact("Ann Berg"), contact("Ann Bergh")
    at_one = [replace(each, customer_id=other.id) for each in (one, other)]
    assert likeness(one, other).score < likeness(*at_one).score
