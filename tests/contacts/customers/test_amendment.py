"""What an amendment says: the fields that were sent, null included, and no others."""

from uuid import uuid4

import pytest
from pydantic import ValidationError

from contacts.customers.form import CUSTOMERS, AmendCustomer, CreateCustomer
from contacts.customers.rules import Customer
from kith.nouns.calls import Call
from kith.nouns.resource import Command

AMEND = Command("amend", AmendCustomer, Customer.amend)


def fingerprint(body: str) -> int:
    return Call(AMEND, AmendCustomer.model_validate_json(body)).fingerprint(CUSTOMERS)


def test_it_hands_over_what_was_sent_and_no_more() -> None:
    given = AmendCustomer.model_validate_json(
        '{"tier": "gold", "segment": null, "occurred_at": "2026-03-02T12:00:00Z"}'
    )
    assert given.fields() == {"tier": "gold", "segment": None}


def test_clearing_a_field_is_another_call_than_leaving_it() -> None:
    assert fingerprint('{"tier": "gold", "segment": null}') != fingerprint('{"tier": "gold"}')


def test_the_order_of_its_fields_makes_no_other_call() -> None:
    assert [*AmendCustomer(tier="gold", segment=None, owner_id=uuid4()).model_dump()] == ["owner_id", "segment", "tier"]
    assert fingerprint('{"tier": "gold", "segment": null}') == fingerprint('{"segment": null, "tier": "gold"}')


@pytest.mark.parametrize("field", ["kind", "name", "tags"])
def test_what_a_customer_always_has_cannot_be_cleared(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        AmendCustomer.model_validate_json(f'{{"{field}": null}}')


def test_what_can_be_given_to_a_new_customer_can_be_amended() -> None:
    amendable = set(AmendCustomer.model_fields) | {"external_id", "stage"}  # which moves, by rules of its own
    assert set(CreateCustomer.model_fields) - {"on_duplicate"} == amendable


def test_its_schema_shows_no_default() -> None:
    schema = AmendCustomer.model_json_schema()["properties"]
    assert [name for name, each in schema.items() if "default" in each and name != "occurred_at"] == []
