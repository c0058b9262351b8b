"""The rules of a customer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from contacts.customers.rules import MOST_LEVELS, Customer, CustomerKind, Hierarchy
from contacts.values import LifecycleStage, PostalAddress
from kith.errors import Conflict, Invalid, NothingAmended
from kith.events import contacts as events
from kith.events.contacts import CustomerCreated

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ID, REFERRER, PARENT, OWNER = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)


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
        "owner_id": OWNER,
        "referred_by": REFERRER,
        "parent_id": PARENT,
        "stage": LifecycleStage.LEAD,
        "industry": "software",
        "size": "1-9",
        "language": "en",
        "time_zone": "Europe/London",
    }
    address = PostalAddress(street="12 St James's Square", city="London", country="GB")
    customer, event = create(**published, tags=["vip"], website="https://ada.example", addresses=[address])
    assert (customer.name, customer.website, customer.stage_since) == ("Ada Lovelace", "https://ada.example", NOON)
    addresses = [events.PostalAddress(kind="postal", country="GB", primary=True)]
    wanted = {"kind": "person", "tags": ["vip"], **published, "addresses": addresses, "custom": {}}
    assert msgspec.structs.asdict(event) == wanted


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


Stage = LifecycleStage


@pytest.mark.parametrize(
    ("stages", "refused"),
    [
        ((Stage.LEAD, Stage.PROSPECT, Stage.CUSTOMER, Stage.LOYAL, Stage.LAPSED, Stage.CUSTOMER), Stage.LEAD),
        ((Stage.LEAD, Stage.LOST, Stage.LEAD, Stage.CUSTOMER), Stage.PROSPECT),
        ((Stage.PROSPECT, Stage.LEAD), Stage.LAPSED),
        ((None, Stage.LOYAL, Stage.CUSTOMER, Stage.LOST, Stage.PROSPECT), Stage.LOYAL),
        ((Stage.LAPSED, Stage.LOST), Stage.LAPSED),
    ],
)
def test_a_relationship_moves_from_stage_to_stage(stages: tuple[LifecycleStage | None, ...], refused: Stage) -> None:
    first, *others = stages
    customer, _ = create(stage=first)
    for hours, stage in enumerate(others, 1):
        assert stage is not None
        left, at = customer.stage, NOON + timedelta(hours=hours)
        moved = customer.move(at=at, stage=stage, reason="price")
        assert (customer.stage, customer.stage_since) == (stage, at)
        assert (moved.from_stage, moved.stage, moved.reason) == (left, stage, "price")
    for wrong in (refused, customer.stage):
        assert wrong is not None
        with pytest.raises(Conflict) as conflict:
            customer.move(at=NOON + timedelta(days=1), stage=wrong, reason="price")
        assert conflict.value.field == "stage"


def test_why_one_is_lost_is_said() -> None:
    customer, _ = create(stage=Stage.CUSTOMER)
    with pytest.raises(Invalid) as refused:
        customer.move(at=LATER, stage=Stage.LOST, reason=None)
    assert refused.value.field == "reason"
    assert customer.stage is Stage.CUSTOMER


def test_who_was_erased_moves_no_more_and_lives_nowhere() -> None:
    address = PostalAddress(street="12 St James's Square", city="London", country="GB")
    customer, _ = create(website="https://ada.example", addresses=[address], language="en", time_zone="Europe/London")
    customer.erase(at=LATER, actor="user:ann")
    assert {each for each in vars(customer).values() if isinstance(each, str)} == {CustomerKind.PERSON}
    assert customer.addresses == []
    with pytest.raises(Conflict):
        customer.move(at=LATER, stage=Stage.LEAD, reason=None)


def organisation(n: int, parent: int | None = None, kind: CustomerKind = CustomerKind.ORGANISATION) -> Customer:
    return Customer(id=UUID(int=n), kind=kind, name="Works", parent_id=None if parent is None else UUID(int=parent))


def hierarchy(*edges: tuple[int, int | None]) -> Hierarchy:
    rows = [organisation(*each) for each in edges]
    return Hierarchy([(each.id, each.parent_id, each.kind) for each in rows])


def refused(tree: Hierarchy, customer: Customer) -> str:
    with pytest.raises(Invalid) as error:
        tree.place(customer)
    return str(error.value.field)


def test_nobody_is_a_part_of_its_own_parts() -> None:
    tree = hierarchy((1, None), (2, 1), (3, 2))
    assert refused(tree, organisation(1, 3)) == "parent_id"
    tree.place(organisation(3, None))
    tree.place(organisation(1, 3))
    assert refused(tree, organisation(3, 2)) == "parent_id", "what it accepted before counts"


def test_a_tree_has_so_many_levels() -> None:
    chain = [(n, n - 1 or None) for n in range(1, MOST_LEVELS)]
    tree = hierarchy(*chain, (20, None), (21, 20))
    tree.place(organisation(30, MOST_LEVELS - 1))
    assert refused(tree, organisation(31, 30)) == "parent_id"
    assert refused(tree, organisation(20, MOST_LEVELS - 1)) == "parent_id", "with what is below it"
    tree.place(organisation(20, MOST_LEVELS - 2))


def test_only_an_organisation_has_parts() -> None:
    person = organisation(5, kind=CustomerKind.PERSON)
    tree = Hierarchy([(person.id, None, person.kind), (UUID(int=1), None, CustomerKind.ORGANISATION)])
    assert refused(tree, organisation(2, 5)) == "parent_id"
    tree.place(organisation(2, 1))
    assert refused(tree, organisation(1, kind=CustomerKind.PERSON)) == "kind"
