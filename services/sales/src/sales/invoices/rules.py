"""Invoice: what a customer is to pay, and whether it has."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.invoices import (
    InvoiceAmended,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    InvoicePartlyPaid,
    InvoiceVoided,
    InvoiceWrittenOff,
)
from kith.nouns.aggregate import CustomerOwned
from kith.scalars.currencies import misfit, must_fit


class InvoiceState(StrEnum):
    OPEN = "open"
    OVERDUE = "overdue"
    PAID = "paid"
    WRITTEN_OFF = "written_off"
    VOIDED = "voided"


UNPAID = (InvoiceState.OPEN, InvoiceState.OVERDUE)


class InvoiceSettled(Conflict):
    code = ErrorCode.INVOICE_SETTLED


class InvoiceNotDue(Conflict):
    code = ErrorCode.INVOICE_NOT_DUE


class MoreThanIsOutstanding(Invalid):
    code = ErrorCode.MORE_THAN_IS_LEFT


@dataclass(kw_only=True, eq=False)
class Invoice(CustomerOwned):
    """What a customer is to pay, as the books have it: it was issued elsewhere, and what became of it is recorded
    here."""

    number: str | None = None
    value: Decimal
    currency: str
    outstanding: Decimal
    """What is still to be paid; of one that was written off, what never was."""
    due_on: date | None = None
    """The last day on which it is not overdue. None: it never is."""
    state: InvoiceState = InvoiceState.OPEN
    closed_at: datetime | None = None
    order_id: UUID | None = None
    subscription_id: UUID | None = None

    @classmethod
    def issue(
        cls, *, id: UUID, at: datetime, value: Decimal, currency: str, **fields: Any
    ) -> tuple[Self, InvoiceIssued]:
        must_fit(value, currency)
        it = cls(id=id, value=value, currency=currency, outstanding=value, **fields)
        if not value:
            it._close(InvoiceState.PAID, at)
        return it, InvoiceIssued.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> InvoiceAmended:
        """It is due on another day. One that is overdue is open again if that day is not over."""
        self._must_be_unpaid(at)
        changed = self.set(fields)
        state = (
            InvoiceState.OVERDUE if self.state is InvoiceState.OVERDUE and self._is_overdue(at) else InvoiceState.OPEN
        )
        if state is not self.state:
            self.state = state
            changed.append("state")
        return InvoiceAmended.of_changed(self, changed)

    def pay(self, *, at: datetime, amount: Decimal) -> InvoicePartlyPaid | InvoicePaid:
        """All that is outstanding, or a part of it."""
        self._must_be_unpaid(at)
        if not amount:
            raise Invalid("It is above 0.", field="amount")
        if rule := misfit(amount, self.currency):
            raise Invalid(rule, field="amount")
        if amount > self.outstanding:
            raise MoreThanIsOutstanding(f"{self.outstanding:f} {self.currency} are outstanding.", field="amount")
        self.outstanding -= amount
        if self.outstanding:
            return InvoicePartlyPaid.of(self, amount=amount)
        self._close(InvoiceState.PAID, at)
        return InvoicePaid.of(self, amount=amount)

    @property
    def next_overdue(self) -> datetime | None:
        """When it will be overdue: as its day ends, in UTC. None: it will not, or is."""
        return self._overdue_at if self.state is InvoiceState.OPEN else None

    def mark_overdue(self, *, at: datetime) -> InvoiceOverdue:
        """Its day is over. That is done of itself."""
        self._must_be_unpaid(at)
        if self.state is InvoiceState.OVERDUE:
            raise InvoiceSettled(f"Invoice {self.id} is overdue already.")
        if not self._is_overdue(at):
            raise InvoiceNotDue(f"Invoice {self.id} is not overdue yet: it is due on {self.due_on}.")
        self.state = InvoiceState.OVERDUE
        return InvoiceOverdue.of(self)

    def write_off(self, *, at: datetime) -> InvoiceWrittenOff:
        """What is outstanding will not be paid."""
        self._must_be_unpaid(at)
        self._close(InvoiceState.WRITTEN_OFF, at)
        return InvoiceWrittenOff.of(self)

    def void(self, *, at: datetime) -> InvoiceVoided:
        """It should not have been issued. One of which something was paid is written off instead."""
        self._must_be_unpaid(at)
        if self.outstanding != self.value:
            raise InvoiceSettled(f"Of invoice {self.id} a part is paid: write off the rest.")
        self._close(InvoiceState.VOIDED, at)
        return InvoiceVoided.of(self)

    @property
    def _overdue_at(self) -> datetime | None:
        day = self.due_on
        return None if day is None else datetime.combine(day, time(tzinfo=UTC)) + timedelta(days=1)

    def _is_overdue(self, at: datetime) -> bool:
        return (when := self._overdue_at) is not None and when <= at

    def _close(self, state: InvoiceState, at: datetime) -> None:
        self.state, self.closed_at = state, at

    def _must_be_unpaid(self, at: datetime) -> None:
        if self.state not in UNPAID:
            raise InvoiceSettled(f"Invoice {self.id} is {self.state.replace('_', ' ')}.")
        self.ensure_not_before_last_change(at)
