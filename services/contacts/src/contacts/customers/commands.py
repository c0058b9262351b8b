"""What can be done with a customer."""

from typing import Annotated

from pydantic import Field

from contacts.customers.rules import Customer, CustomerKind
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, NewInput
from kith.nouns.resource import Command
from kith.scalars import Code, Id, Text

Tags = Annotated[list[Code], Field(max_length=50), AS_SET]


class CreateCustomer(NewInput):
    kind: CustomerKind
    name: Text
    country: Code | None = None
    segment: Code | None = None
    tier: Code | None = None
    source: Code | None = None
    owner: Code | None = None
    tags: Tags = Field(default_factory=list)
    referred_by: Id | None = None


class AmendCustomer(Amendment):
    kind: CustomerKind = UNSENT
    name: Text = UNSENT
    country: Code | None = UNSENT
    segment: Code | None = UNSENT
    tier: Code | None = UNSENT
    source: Code | None = UNSENT
    owner: Code | None = UNSENT
    tags: Tags = UNSENT
    referred_by: Id | None = UNSENT


COMMANDS = (
    Command("create", CreateCustomer, Customer.create),
    Command("amend", AmendCustomer, Customer.amend),
)
