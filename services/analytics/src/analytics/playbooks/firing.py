"""Which trigger events become runs of a playbook: one definition, for live runs and for dry runs."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID, uuid5

from analytics.playbooks.plan import Customer, Plan
from analytics.playbooks.trigger_event import TriggerEvent


class RunState(StrEnum):
    REQUESTED = "requested"
    """Its actions were requested."""
    LEFT_ALONE = "left_alone"
    """The customer is in the control share: no action was requested."""
    SUPPRESSED = "suppressed"
    """Beyond the daily limit, or no decision could be made."""


class Run(NamedTuple):
    id: UUID
    trigger_event: TriggerEvent
    customer: Customer
    state: RunState
    is_control: bool
    reason: str | None = None
    """Why it was suppressed."""


class CustomerAt(NamedTuple):
    """A customer and the instant as of which its record is read."""

    customer_id: UUID
    at: datetime


def is_control(playbook: UUID, customer: UUID, share: float) -> bool:
    """Whether the customer is in the playbook's control share. The draw is random, but the same every time for a
    playbook and a customer. A larger share contains the customers of a smaller one."""
    draw = int.from_bytes(blake2b(playbook.bytes + customer.bytes, digest_size=8).digest())
    return draw < share * 2**64


def run_id(playbook: UUID, trigger_event: TriggerEvent) -> UUID:
    """Returns an id that follows from the trigger event, so that a run cannot be recorded twice."""
    return uuid5(playbook, f"{trigger_event.customer_id}/{trigger_event.at.astimezone(UTC).isoformat()}")


def undecided(playbook: UUID, trigger_event: TriggerEvent, reason: str) -> Run:
    """Returns the run of a trigger event for which no decision could be made."""
    return Run(
        run_id(playbook, trigger_event), trigger_event, Customer(), RunState.SUPPRESSED, is_control=False, reason=reason
    )


def day_of(at: datetime) -> date:
    """Returns the day, in UTC."""
    return at.astimezone(UTC).date()


@dataclass
class Firing:
    """Turns trigger events into runs one by one, given the runs there were before."""

    playbook: UUID
    plan: Plan
    runs_at: dict[UUID, list[datetime]] = field(default_factory=dict)
    """By customer, in order; without suppressed runs, which had no effect."""
    runs_of_day: Counter[date] = field(default_factory=Counter)
    """Only filled if there is a daily limit."""
    cooled_down: int = 0
    """Trigger events that would have fired, but within the cool-down of another run."""

    def take(self, trigger_events: Iterable[TriggerEvent], customers: Mapping[CustomerAt, Customer]) -> list[Run]:
        """Returns the runs that the trigger events become, in the order of time. `customers` are as known at each of
        them."""
        ordered = sorted(trigger_events, key=lambda each: (each.at, each.customer_id))
        runs = (self._take(each, customers.get(CustomerAt(each.customer_id, each.at), Customer())) for each in ordered)
        return [run for run in runs if run is not None]

    def _take(self, trigger_event: TriggerEvent, customer: Customer) -> Run | None:
        if not self.plan.when.fires(trigger_event) or not self.plan.audience.has(customer):
            return None
        if self._cools_down(trigger_event):
            self.cooled_down += 1
            return None
        day, limit = day_of(trigger_event.at), self.plan.limit_per_day
        id, control = (
            run_id(self.playbook, trigger_event),
            is_control(self.playbook, trigger_event.customer_id, self.plan.control_share),
        )
        if limit is not None and self.runs_of_day[day] >= limit:
            reason = f"{limit} runs of {day.isoformat()} were there already, the limit of a day."
            return Run(id, trigger_event, customer, RunState.SUPPRESSED, control, reason)
        # Runs left alone count too: both shares are limited alike, and stay comparable.
        self.runs_of_day[day] += 1
        insort(self.runs_at.setdefault(trigger_event.customer_id, []), trigger_event.at)
        return Run(id, trigger_event, customer, RunState.LEFT_ALONE if control else RunState.REQUESTED, control)

    def _cools_down(self, trigger_event: TriggerEvent) -> bool:
        """Whether another run is within the cool-down before it; or after it, for one that is recorded late."""
        runs, cool_down, at = self.runs_at.get(trigger_event.customer_id, []), self.plan.cool_down, trigger_event.at
        index = bisect_left(runs, at)
        before = index > 0 and at - runs[index - 1] < cool_down
        after = index < len(runs) and (runs[index] == at or runs[index] - at < cool_down)
        return before or after
