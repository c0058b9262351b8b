"""What is taken for an address and a number."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from contacts.contacts.form import CreateContact

CUSTOMER = UUID(int=1)


@pytest.mark.parametrize("email", ["ada@example.org", "a.b+c@mail.example.co.uk", "  ada@example.org  "])
def test_an_address_is_taken(email: str) -> None:
    assert CreateContact(customer_id=CUSTOMER, name="Ada", email=email).email == email.strip()


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@example.org", "ada@localhost", "a da@example.org", "a@b@c.org", "ada@example..org"]
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(ValidationError, match="email"):
        CreateContact(customer_id=CUSTOMER, name="Ada", email=email)


@pytest.mark.parametrize("phone", ["+44 20 7946 0958", "020-7946/0958", "0049 (30) 123.45"])
def test_a_number_is_taken(phone: str) -> None:
    assert CreateContact(customer_id=CUSTOMER, name="Ada", phone=phone).phone == phone


@pytest.mark.parametrize("phone", ["", "12", "call me", "+", "++44 20 7946"])
def test_what_is_no_number_is_refused(phone: str) -> None:
    with pytest.raises(ValidationError, match="phone"):
        CreateContact(customer_id=CUSTOMER, name="Ada", phone=phone)
