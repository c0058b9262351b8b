"""What can be done with a contact."""

from typing import Annotated

from contacts.contacts.rules import Contact
from kith.nouns.inputs import UNSENT, Amendment, NewInput
from kith.nouns.resource import Command
from kith.scalars import Code, Id, Text, Written

# Something, one @, a domain with a dot. Whether mail arrives there only sending it tells.
_EMAIL = r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+"
Email = Annotated[str, Written(254, spelling=_EMAIL, rule="It is an address of e-mail, as in ann@example.com.")]
_PHONE = r"\+?[0-9][0-9 ()./-]{2,30}"
Phone = Annotated[str, Written(32, spelling=_PHONE, rule="It is a telephone number, as in +43 1 5125 0.")]


class CreateContact(NewInput):
    customer_id: Id
    name: Text
    email: Email | None = None
    phone: Phone | None = None
    role: Code | None = None


class AmendContact(Amendment):
    name: Text = UNSENT
    email: Email | None = UNSENT
    phone: Phone | None = UNSENT
    role: Code | None = UNSENT


COMMANDS = (
    Command("create", CreateContact, Contact.create),
    Command("amend", AmendContact, Contact.amend),
)
