"""What can be done with an opportunity."""

from pydantic import Field

from kith.nouns.inputs import UNSENT, Amendment, Input, Priced
from kith.nouns.resource import Command
from kith.scalars import Code, Currency, Day, Id, Money, Text
from sales.opportunities.rules import Opportunity, Stage


class OpenOpportunity(Priced):
    name: Text
    customer_id: Id | None = None
    stage: Stage = Stage.PROSPECTING
    owner: Code | None = None
    product_id: Id | None = None
    value: Money | None = None
    currency: Currency | None = Field(default=None, description="the product's, if one is named")
    source: Code | None = None
    expected_close: Day | None = None


class AmendOpportunity(Amendment):
    name: Text = UNSENT
    owner: Code | None = UNSENT
    product_id: Id | None = UNSENT
    value: Money | None = UNSENT
    source: Code | None = UNSENT
    expected_close: Day | None = UNSENT


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
