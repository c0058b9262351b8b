"""What can be done with a contact."""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from contacts.domain.contact import Contact
from kith.inputs import UNSENT, Amendment, Code, NewInput, Text
from kith.resource import Command

# Something, one @, a domain with a dot. Whether mail arrives there only sending it tells.
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")
]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\+?[0-9][0-9 ()./-]{2,30}$")]


class CreateContact(NewInput):
    customer_id: UUID
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
