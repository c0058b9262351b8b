"""Quote: what is offered to a customer, at which price, and until when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.quotes import QuoteApproved, QuoteRejected
from kith.events.sales import (
    QuoteAccepted,
    QuoteAmended,
    QuoteCreated,
    QuoteDeclined,
    QuoteExpired,
    QuoteRevised,
    QuoteSent,
    QuoteViewed,
    QuoteWithdrawn,
)
from kith.nouns.aggregate import CustomerOwned
from sales.prices.rules import NO_PRICES, Pricing
from sales.values import Line, completed, least_of, value_of


class QuoteState(StrEnum):
    DRAFT = "draft"
    SENT = "sent"
    VIEWED = "viewed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class QuoteApproval(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


OUT = (QuoteState.SENT, QuoteState.VIEWED)
"""The customer has it, and may accept it."""
OPEN = (QuoteState.DRAFT, *OUT)
"""Those that may be withdrawn."""


class QuoteNotDraft(Conflict):
    code = ErrorCode.QUOTE_NOT_DRAFT


class QuoteNeedsApproval(Conflict):
    code = ErrorCode.QUOTE_NEEDS_APPROVAL


class QuoteAlreadyDecided(Conflict):
    code = ErrorCode.QUOTE_ALREADY_DECIDED


class QuoteNotOut(Conflict):
    code = ErrorCode.QUOTE_NOT_OUT


class QuoteNoLongerValid(Conflict):
    code = ErrorCode.QUOTE_NO_LONGER_VALID


class QuoteAlreadyAccepted(Conflict):
    code = ErrorCode.QUOTE_ALREADY_ACCEPTED


@dataclass(kw_only=True, eq=False)
class Quote(CustomerOwned):
    """What is offered to a customer: lines at their prices, until an instant."""

    opportunity_id: UUID | None = None
    clone_of_id: UUID | None = None
    """The quote whose lines it had at first."""
    currency: str
    price_book_id: UUID | None = None
    """By which its lines are priced. None: by the default."""
    lines: list[Line]
    last_line: int = 0
    """The highest number that a line of it ever had."""
    value: Decimal
    valid_until: datetime | None = None
    state: QuoteState = QuoteState.DRAFT
    revision: int = 1
    """Each supersedes the one before."""
    approval: QuoteApproval | None = None
    """What was decided of it as it is. None: nothing."""
    decided_by: str | None = None
    """The actor."""
    decided_at: datetime | None = None
    decision_note: str | None = None
    """Why."""
    sent_at: datetime | None = None
    closed_at: datetime | None = None
    reason: str | None = None
    """Why the customer declined it."""
    signature: str | None = None
    """Who accepted it."""
    order_id: UUID | None = None
    """What was ordered by accepting it."""

    @classmethod
    def create(
        cls,
        *,
        id: UUID,
        at: datetime,
        currency: str,
        price_book_id: UUID | None = None,
        lines: list[Line],
        clone_of_id: UUID | None = None,
        pricing: Pricing = NO_PRICES,
        **fields: Any,
    ) -> tuple[Self, QuoteCreated]:
        """A line without a price has the list price. Those of a clone ask what they asked."""
        former = {} if clone_of_id is None else {each.number: each for each in lines}
        lines = completed(pricing.listed(_some(lines), currency, at, price_book_id, former=former), currency)
        lines = pricing.apart(lines, currency, at, price_book_id)
        it = cls(
            id=id,
            clone_of_id=clone_of_id,
            currency=currency,
            price_book_id=price_book_id,
            lines=lines,
            last_line=max(each.number for each in lines),
            value=value_of(lines, None),
            **fields,
        )
        return it, QuoteCreated.of(it)

    def amend(self, *, at: datetime, pricing: Pricing = NO_PRICES, **fields: Any) -> QuoteAmended:
        """Only the fields sent change; lines are sent whole. Those that are to stay have their numbers, and one without
        a number is a new one. What was decided of it as it was is void."""
        self._must_be_draft(at)
        changed = self.set(self._priced(fields, at, pricing))
        if self.approval is not None:
            self.approval = self.decided_by = self.decided_at = self.decision_note = None
            changed.append("approval")
        return QuoteAmended.of_changed(self, changed)

    def approve(self, *, at: datetime, actor: str, note: str | None) -> QuoteApproved:
        """It may be sent as it is, whatever is given off."""
        self._decide(QuoteApproval.APPROVED, at, actor, note)
        return QuoteApproved.of(self)

    def reject(self, *, at: datetime, actor: str, note: str) -> QuoteRejected:
        """It may not be sent as it is."""
        self._decide(QuoteApproval.REJECTED, at, actor, note)
        return QuoteRejected.of(self)

    def _decide(self, approval: QuoteApproval, at: datetime, actor: str, note: str | None) -> None:
        self._must_be_draft(at)
        if self.approval is approval:
            raise QuoteAlreadyDecided(f"Quote {self.id} is {approval} already.")
        self.approval, self.decided_by, self.decided_at, self.decision_note = approval, actor, at, note

    def send(self, *, at: datetime, discount_limit: Decimal | None = None) -> QuoteSent:
        """The customer has it from now on, and it is not changed any more. One with a line that is below its list price
        by more percent than the limit has to be approved before."""
        self._must_be_draft(at)
        if self.approval is QuoteApproval.REJECTED:
            raise QuoteNeedsApproval(f"Quote {self.id} is rejected: amend it, or have it approved.")
        if self.approval is None and discount_limit is not None:
            for each in self.lines:
                if each.amount < least_of(each, discount_limit, self.currency):
                    rule = f"more than {discount_limit.normalize():f} % below its list price"
                    raise QuoteNeedsApproval(f"Line {each.line} is {rule}: quote {self.id} needs approval.")
        if self.valid_until is not None and self.valid_until <= at:
            raise QuoteNoLongerValid(f"Quote {self.id} is valid until {self.valid_until.isoformat()}.")
        self.state, self.sent_at = QuoteState.SENT, at
        return QuoteSent.of(self)

    def view(self, *, at: datetime) -> QuoteViewed:
        """The customer has looked at it."""
        self._must_be_out(at)
        self.state = QuoteState.VIEWED
        return QuoteViewed.of(self)

    def accept(self, *, at: datetime, signature: str, order_id: UUID) -> QuoteAccepted:
        """The customer takes it, and so orders what it says: the order is placed with it, or neither is."""
        self._must_be_out(at)
        if self.valid_until is not None and self.valid_until <= at:
            raise QuoteNoLongerValid(f"Quote {self.id} was valid until {self.valid_until.isoformat()}.")
        self.signature, self.order_id = signature, order_id
        self._close(QuoteState.ACCEPTED, at)
        return QuoteAccepted.of(self)

    def decline(self, *, at: datetime, reason: str | None) -> QuoteDeclined:
        self._must_be_out(at)
        self.reason = reason
        self._close(QuoteState.DECLINED, at)
        return QuoteDeclined.of(self)

    def withdraw(self, *, at: datetime) -> QuoteWithdrawn:
        """It is not offered any more."""
        if self.state is not QuoteState.DRAFT:
            self._must_be_out(at)
        self.ensure_not_before_last_change(at)
        self._close(QuoteState.WITHDRAWN, at)
        return QuoteWithdrawn.of(self)

    @property
    def expires_at(self) -> datetime | None:
        """None: it does not, or not any more."""
        return self.valid_until if self.state in OUT else None

    def expire(self, *, at: datetime) -> QuoteExpired:
        """It is over. At `valid_until` that is done of itself."""
        self._must_be_out(at)
        self._close(QuoteState.EXPIRED, at)
        return QuoteExpired.of(self)

    def revise(self, *, at: datetime) -> QuoteRevised:
        """It is a draft again, which supersedes what was sent; that cannot be accepted any more."""
        if self.state is QuoteState.ACCEPTED:
            raise QuoteAlreadyAccepted(f"Quote {self.id} was accepted: what was ordered is order {self.order_id}.")
        if self.state is QuoteState.DRAFT:
            raise QuoteNotOut(f"Quote {self.id} is a draft: amend it.")
        self.ensure_not_before_last_change(at)
        self.state, self.revision = QuoteState.DRAFT, self.revision + 1
        self.sent_at = self.closed_at = self.reason = None
        return QuoteRevised.of(self)

    def _priced(self, fields: Mapping[str, Any], at: datetime, pricing: Pricing) -> dict[str, Any]:
        if "lines" not in fields:
            return dict(fields)
        former = {each.number: each for each in self.lines}
        lines = pricing.listed(_some(fields["lines"]), self.currency, at, self.price_book_id, former=former)
        lines = completed(lines, self.currency, kept=former, last=self.last_line)
        lines = pricing.apart(lines, self.currency, at, self.price_book_id, last=self.last_line)
        self.last_line = max(self.last_line, *(each.number for each in lines))
        return {**fields, "lines": lines, "value": value_of(lines, None)}

    def _close(self, state: QuoteState, at: datetime) -> None:
        self.state, self.closed_at = state, at

    def _must_be_draft(self, at: datetime) -> None:
        if self.state is not QuoteState.DRAFT:
            raise QuoteNotDraft(f"Quote {self.id} is {self.state}: revise it first.")
        self.ensure_not_before_last_change(at)

    def _must_be_out(self, at: datetime) -> None:
        if self.state not in OUT:
            raise QuoteNotOut(f"Quote {self.id} is {self.state}, and not with the customer.")
        self.ensure_not_before_last_change(at)


def _some(lines: list[Line]) -> list[Line]:
    if not lines:
        raise Invalid("A quote has at least one line.", field="lines")
    return lines
