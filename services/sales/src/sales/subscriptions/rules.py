"""Subscription: what a customer pays for again and again, and how it stands at any instant."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.subscriptions import (
    SubscriptionActivated,
    SubscriptionAmended,
    SubscriptionCancelled,
    SubscriptionChanged,
    SubscriptionDowngraded,
    SubscriptionEnded,
    SubscriptionPaused,
    SubscriptionReactivated,
    SubscriptionRenewalDue,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionStarted,
    SubscriptionUpgraded,
)
from kith.nouns.aggregate import CustomerOwned, Customisable
from kith.scalars.currencies import misfit, priced
from sales.subscriptions.values import (
    MOST_WORTH,
    BillingPeriod,
    Change,
    Status,
    Step,
    Turn,
    monthly,
    months_after,
    steps_of,
)
from sales.subscriptions.values import (
    at as step_at,
)

MOST_CHANGES = 500


class SubscriptionNotInForce(Conflict):
    code = ErrorCode.SUBSCRIPTION_NOT_IN_FORCE


class SubscriptionStillInForce(Conflict):
    code = ErrorCode.SUBSCRIPTION_STILL_IN_FORCE


@dataclass(kw_only=True, eq=False)
class Subscription(Customisable, CustomerOwned):
    """What a customer pays for again and again. How it stands at an instant follows from its dated changes; no job has
    to come by."""

    currency: str
    plan: str
    """From the last change on, as are the seats, the price and the billing period."""
    seats: int
    unit_price: Decimal
    """Of a seat, for a billing period."""
    billing_period: BillingPeriod
    starts_at: datetime
    product_id: UUID | None = None
    opportunity_id: UUID | None = None
    term_months: int | None = None
    """None: it has no term, and goes on until it is cancelled."""
    term_starts_at: datetime | None = None
    term_ends_at: datetime | None = None
    auto_renew: bool = True
    """Whether it is renewed at the end of its term unless it is cancelled; otherwise it ends there unless it is
    renewed."""
    renewal_notice_days: int | None = None
    opens_renewals: bool = False
    """Whether an opportunity is opened when its renewal is announced."""
    renewal_opportunity_id: UUID | None = None
    """The last one of those."""
    announced_for: datetime | None = None
    """The end of the term whose renewal was announced last."""
    ends_at: datetime | None = None
    """When it ended, or will. None: it goes on."""
    ended_at: datetime | None = None
    """The end that was noted, once it came."""
    cancel_reason: str | None = None
    changes: list[Change] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        *,
        id: UUID,
        at: datetime,
        starts_at: datetime | None,
        trial: bool,
        trial_ends_at: datetime | None,
        **fields: Any,
    ) -> tuple[Self, SubscriptionStarted]:
        """It is in force from its start on. A trial has no recurring revenue, and goes on until `trial_ends_at`, or
        until it is activated."""
        starts_at = starts_at or at
        if trial_ends_at is not None and not (trial and trial_ends_at > starts_at):
            raise Invalid("A trial ends after it has started; only a trial has this.", field="trial_ends_at")
        it = cls(id=id, starts_at=starts_at, **fields)
        if rule := misfit(it.unit_price, it.currency):
            raise Invalid(rule, field="unit_price")
        it._begin_term(starts_at)
        while it.auto_renew and it.term_ends_at is not None and it.term_ends_at <= at:
            it._begin_term(it.term_ends_at)  # it was renewed before it was recorded here
        first = Change(
            at=starts_at,
            turn=Turn.START_TRIAL if trial else Turn.START,
            plan=it.plan,
            seats=it.seats,
            unit_price=it.unit_price,
            billing_period=it.billing_period,
        )
        it._add(first)
        if trial_ends_at is not None:
            it._add(Change(at=trial_ends_at, turn=Turn.END_TRIAL))
        return it, SubscriptionStarted.of(it, mrr=it._mrr(starts_at))

    def amend(self, *, at: datetime, **fields: Any) -> SubscriptionAmended:
        """Only the fields sent change; one sent as null is cleared."""
        self.ensure_not_before_last_change(at)
        if "auto_renew" in fields and self._ends_by(at):
            raise SubscriptionNotInForce("It has ended: reactivate it.", field="auto_renew")
        changed, before = self.set(fields), vars(self).copy()
        self._follow()
        followed = [name for name, value in before.items() if value != getattr(self, name)]
        return SubscriptionAmended.of_changed(self, [*changed, *followed])

    def change(
        self, *, at: datetime, effective_at: datetime | None, **fields: Any
    ) -> SubscriptionUpgraded | SubscriptionDowngraded | SubscriptionChanged:
        """Another plan, number of seats, price or billing period, from an instant on, which may be past or to come.
        It is an upgrade if the monthly recurring revenue rises by it, a downgrade if that falls."""
        when = self._must_be_in_force(at, effective_at)
        given = {name: value for name, value in fields.items() if value is not None}
        if not given:
            raise Invalid("Send the plan, seats, price or billing period that is to change.", field="body")
        if (price := given.get("unit_price")) is not None and (rule := misfit(price, self.currency)):
            raise Invalid(rule, field="unit_price")
        before = self._rate(when)
        self._add(Change(at=when, **given))
        after = self._rate(when)
        kind: Callable[..., Any] = SubscriptionChanged
        if before != after:
            kind = SubscriptionUpgraded if after > before else SubscriptionDowngraded
        event: SubscriptionUpgraded | SubscriptionDowngraded | SubscriptionChanged = kind.of(  # type: ignore[attr-defined]
            self, effective_at=when, mrr=self._mrr(when)
        )
        return event

    def activate(self, *, at: datetime, effective_at: datetime | None) -> SubscriptionActivated:
        """The trial becomes paid."""
        when = self._must_be(at, effective_at, {Status.TRIAL}, "It is no trial")
        self._add(Change(at=when, turn=Turn.END_TRIAL))
        return SubscriptionActivated.of(self, effective_at=when, mrr=self._mrr(when))

    def pause(self, *, at: datetime, effective_at: datetime | None, resumes_at: datetime | None) -> SubscriptionPaused:
        """It stays in force, without recurring revenue, until it is resumed."""
        when = self._must_be(at, effective_at, {Status.ACTIVE}, "It is on trial or paused, or has ended,")
        if resumes_at is not None and resumes_at <= when:
            raise Invalid(f"It is paused from {when.isoformat()} on.", field="resumes_at")
        self._add(Change(at=when, turn=Turn.PAUSE))
        if resumes_at is not None:
            self._add(Change(at=resumes_at, turn=Turn.RESUME))
        return SubscriptionPaused.of(self, effective_at=when, mrr=self._mrr(when))

    def resume(self, *, at: datetime, effective_at: datetime | None) -> SubscriptionResumed:
        when = self._must_be(at, effective_at, {Status.PAUSED}, "It is not paused")
        to_come = sorted((each for each in self.changes if each.at > when), key=lambda each: each.at)
        planned = next((each for each in to_come if each.turn in (Turn.PAUSE, Turn.RESUME)), None)
        if planned is not None and planned.turn is Turn.RESUME:  # of this pause, and not of the next one
            self.changes = [each for each in self.changes if each is not planned]
        self._add(Change(at=when, turn=Turn.RESUME))
        return SubscriptionResumed.of(self, effective_at=when, mrr=self._mrr(when))

    def cancel(
        self, *, at: datetime, effective_at: datetime | None, at_term_end: bool, reason: str | None
    ) -> SubscriptionCancelled:
        """It ends now, at the instant given, or at the end of its term."""
        if at_term_end:
            if self.term_ends_at is None:
                raise Invalid("It has no term: give the instant at which it ends.", field="at_term_end")
            if effective_at is not None:
                raise Invalid("It ends at the end of its term, or at an instant: one of both.", field="effective_at")
            effective_at = max(self.term_ends_at, at)
        when = self._effective(at, effective_at or max(at, self.starts_at))
        self._withdraw_end()
        self._follow()
        if self.ends_at != when:  # it may be cancelled for when it would end in any case
            self._must_be_in_force(at, when)
        self.changes = [each for each in self.changes if each.at <= when or each.turn is not Turn.RESTART]
        self._add(Change(at=when, turn=Turn.END))
        self.cancel_reason = reason
        return SubscriptionCancelled.of(self, effective_at=when, mrr=self._mrr(when), reason=reason)

    def reactivate(self, *, at: datetime, effective_at: datetime | None) -> SubscriptionReactivated:
        """A cancellation that is to come is withdrawn; one that has ended starts again, with a new term."""
        when = self._effective(at, effective_at)
        if self.ends_at is None or (self.ends_at > when and not self._is_cancelled()):
            raise SubscriptionStillInForce("It was not cancelled, and has not ended.", field="effective_at")
        if self.ends_at <= when:
            if self.ends_at > at:
                raise SubscriptionStillInForce("It has not ended yet: reactivate it then.", field="effective_at")
            self._note_lapse()
            # What was planned for after its end, but for its price, is not of the new start.
            self.changes = [each for each in self.changes if each.at <= self.ends_at or each.turn is Turn.NONE]
            self._add(Change(at=when, turn=Turn.RESTART))
            self._begin_term(when)
            self._follow()
        else:
            self._withdraw_end()
            self._follow()
        self.ended_at = self.cancel_reason = None
        return SubscriptionReactivated.of(self, effective_at=when, mrr=self._mrr(when))

    def renew(self, *, at: datetime, term_months: int | None, **fields: Any) -> SubscriptionRenewed:
        """A new term begins where the last one ends, with what is given changed from then on. One with `auto_renew` is
        renewed of itself when its term ends."""
        self.ensure_not_before_last_change(at)
        ends = self.term_ends_at
        if ends is None:
            raise Conflict("It has no term, and goes on until it is cancelled.", field="term_months")
        if not self._may_be_renewed():
            raise SubscriptionNotInForce("It was cancelled: reactivate it.", field="id")
        if (price := fields.get("unit_price")) is not None and (rule := misfit(price, self.currency)):
            raise Invalid(rule, field="unit_price")
        due = self._rate_before(ends)
        self.term_months = term_months or self.term_months
        self._begin_term(ends)
        if not self.auto_renew and self.term_ends_at is not None and self.term_ends_at <= at:
            raise SubscriptionNotInForce("The new term would be over already: reactivate it.", field="term_months")
        given = {name: value for name, value in fields.items() if value is not None}
        if given:
            self._add(Change(at=ends, **given))
        self._follow()
        self.ended_at = None
        return SubscriptionRenewed.of(self, effective_at=ends, value=due, mrr=self._mrr(ends))

    def announce(self, *, at: datetime, renewal_opportunity_id: UUID) -> SubscriptionRenewalDue:
        """Its renewal comes near, once for each end of a term. `renewal_notice_days` before it that is done of itself.
        The opportunity is opened with it, or neither is done."""
        self.ensure_not_before_last_change(at)
        if self.term_ends_at is None or self.term_ends_at <= at or not self._may_be_renewed():
            raise Conflict("There is no renewal to come.", field="id")
        if self.announced_for == self.term_ends_at:
            raise Conflict(f"Its renewal at {self.term_ends_at.isoformat()} is announced.", field="id")
        self.announced_for = self.term_ends_at
        self.renewal_opportunity_id = renewal_opportunity_id if self.opens_renewals else None
        return SubscriptionRenewalDue.of(self, value=self._rate_before(self.term_ends_at))

    def end(self, *, at: datetime) -> SubscriptionEnded:
        """Its end has come, and is noted. That is done of itself."""
        self.ensure_not_before_last_change(at)
        if self.ends_at is None or self.ends_at > at:
            raise SubscriptionStillInForce("It has not ended: cancel it to end it.", field="id")
        if self.ended_at == self.ends_at:
            raise SubscriptionNotInForce(f"That it ended at {self.ends_at.isoformat()} is noted.", field="id")
        self.ended_at = self.ends_at
        return SubscriptionEnded.of(
            self,
            effective_at=self.ends_at,
            at_term_end=self.ends_at == self.term_ends_at,
            value=self._rate_before(self.ends_at),
            reason=self.cancel_reason,
        )

    @property
    def worth_of_term(self) -> Decimal | None:
        """What the term that ends next would come to once more, in whole minor units. None: more than an amount may
        be."""
        assert self.term_ends_at is not None
        months = Decimal(self.term_months or 0)
        worth = priced(months, self._rate_before(self.term_ends_at), Decimal(0), self.currency)
        return worth if worth <= MOST_WORTH else None

    # Timers

    @property
    def next_renewal(self) -> datetime | None:
        return self.term_ends_at if self.auto_renew and self._may_be_renewed() else None

    @property
    def next_notice(self) -> datetime | None:
        ends, days = self.term_ends_at, self.renewal_notice_days
        if ends is None or days is None or self.announced_for == ends or not self._may_be_renewed():
            return None
        return ends - timedelta(days=days)

    @property
    def next_end(self) -> datetime | None:
        return self.ends_at if self.ends_at != self.ended_at else None

    # What follows

    def _add(self, change: Change) -> None:
        # It can be cancelled in any case.
        if len(self.changes) >= MOST_CHANGES and change.turn is not Turn.END:
            raise Invalid(f"A subscription has at most {MOST_CHANGES} changes.", field="id")
        self.changes = [*self.changes, change]
        self._follow()

    def _follow(self) -> None:
        """Brings what follows from the changes up to them."""
        lapses = [Change(at=self.term_ends_at, turn=Turn.END)] if self.term_ends_at and not self.auto_renew else []
        self.steps = steps_of([*self.changes, *lapses])
        last = self.steps[-1]
        self.ends_at = last.starts_at if last.status is Status.ENDED else None
        self.plan, self.seats, self.unit_price = last.plan, last.seats, last.unit_price
        self.billing_period = last.billing_period

    def _begin_term(self, at: datetime) -> None:
        if self.term_months is None:
            self.term_starts_at = self.term_ends_at = None
            return
        # Counted from where the first one began, so that one of the 31st comes back to it after a shorter month.
        restarts = [each.at for each in self.changes if each.turn is Turn.RESTART]
        began = restarts[-1] if restarts else self.starts_at
        passed = 12 * (at.year - began.year) + at.month - began.month
        self.term_starts_at, self.term_ends_at = at, months_after(began, passed + self.term_months)

    def _withdraw_end(self) -> None:
        """Takes back a cancellation that has not been followed by a new start."""
        if self._is_cancelled():
            last = max(index for index, each in enumerate(self.changes) if each.turn is Turn.END)
            self.changes = [*self.changes[:last], *self.changes[last + 1 :]]

    def _note_lapse(self) -> None:
        """Keeps the end of a term that was not renewed, as a change: the term is followed by another one."""
        if not self._is_cancelled():
            assert self.ends_at is not None
            self.changes = [*self.changes, Change(at=self.ends_at, turn=Turn.END)]

    def _is_cancelled(self) -> bool:
        turns = [each.turn for each in self.changes if each.turn in (Turn.END, Turn.RESTART)]
        return bool(turns) and turns[-1] is Turn.END

    def _may_be_renewed(self) -> bool:
        return self.term_ends_at is not None and not (self._is_cancelled() and self._ends_by(self.term_ends_at))

    def _ends_by(self, at: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= at

    def _effective(self, at: datetime, effective_at: datetime | None) -> datetime:
        self.ensure_not_before_last_change(at)
        when = effective_at or at
        if when < self.starts_at:
            raise Invalid(f"It starts at {self.starts_at.isoformat()}.", field="effective_at")
        return when

    def _must_be(
        self, at: datetime, effective_at: datetime | None, statuses: Iterable[Status], otherwise: str
    ) -> datetime:
        """Returns the instant from which a change takes effect. Raises SubscriptionNotInForce."""
        when = self._effective(at, effective_at)
        step = step_at(self.steps, when)
        if step is None or step.status not in statuses:
            raise SubscriptionNotInForce(f"{otherwise} at {when.isoformat()}.", field="effective_at")
        return when

    def _must_be_in_force(self, at: datetime, effective_at: datetime | None) -> datetime:
        return self._must_be(at, effective_at, {Status.TRIAL, Status.ACTIVE, Status.PAUSED}, "It is not in force")

    def _mrr(self, when: datetime) -> Decimal:
        step = step_at(self.steps, when)
        return step.mrr if step is not None else Decimal(0)

    def _rate(self, when: datetime) -> Decimal:
        """Returns what a month comes to by the price and seats of an instant, also in a trial or a pause."""
        step = step_at(self.steps, when) or self.steps[0]
        return monthly(step.unit_price, step.seats, step.billing_period)

    def _rate_before(self, when: datetime) -> Decimal:
        before = [step for step in self.steps if step.starts_at < when]
        return before[-1].mrr if before else Decimal(0)
