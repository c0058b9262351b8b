"""What can be done with an opportunity."""

from datetime import date
from uuid import UUID

from kith.inputs import UNSENT, Amendment, Code, Currency, Input, Money, NewInput, Text
from kith.resource import Command
from sales.domain.opportunity import Opportunity, Stage


class OpenOpportunity(NewInput):
    name: Text
    customer_id: UUID | None = None
    stage: Stage = Stage.PROSPECTING
    owner: Code | None = None
    product_id: UUID | None = None
    value: Money | None = None
    currency: Currency
    source: Code | None = None
    expected_close: date | None = None


class AmendOpportunity(Amendment):
    name: Text = UNSENT
    owner: Code | None = UNSENT
    product_id: UUID | None = UNSENT
    value: Money | None = UNSENT
    source: Code | None = UNSENT
    expected_close: date | None = UNSENT


class AdvanceOpportunity(Input):
    stage: Stage


class WinOpportunity(Input):
    value: Money | None = None


class LoseOpportunity(Input):
    reason: Code | None = None


COMMANDS = (
    Command("open", OpenOpportunity, Opportunity.open),
    Command("amend", AmendOpportunity, Opportunity.amend),
    Command("advance", AdvanceOpportunity, Opportunity.advance),
    Command("win", WinOpportunity, Opportunity.win),
    Command("lose", LoseOpportunity, Opportunity.lose),
)
