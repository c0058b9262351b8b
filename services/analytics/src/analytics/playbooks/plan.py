"""The plan of a playbook: its trigger and audience, its limits, its actions, and its definition of success.

It is kept as a document; its schema is checked where it comes in (see playbooks.commands).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, Self
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from analytics.playbooks.trigger_event import TRIGGERING_CAUSES, TriggerEvent
from kith.errors import Invalid

BANDS = ("at_risk", "steady", "healthy")
"""From worst to best."""
Band = Literal["at_risk", "steady", "healthy"]


class Trigger(Struct, frozen=True, tag_field="kind"):
    reason: ClassVar[str | None] = None
    """Why it cannot fire as yet."""

    @property
    def kind(self) -> str:
        return str(type(self).__struct_config__.tag)

    def fires(self, trigger_event: TriggerEvent) -> bool:
        """Whether the event fires this trigger."""
        return trigger_event.kind == self.kind and self.reason is None and self._is_meant(trigger_event)

    def _is_meant(self, trigger_event: TriggerEvent) -> bool:
        """Whether the trigger selects this event of its kind. By default it selects every one."""
        del trigger_event
        return True


class BandChanged(Trigger, frozen=True, tag="band_changed"):
    """The relationship came into one of the bands `to`, out of one of `from`, if any are named."""

    to: tuple[Band, ...]
    from_: tuple[Band, ...] = msgspec.field(default=(), name="from")

    def _is_meant(self, trigger_event: TriggerEvent) -> bool:
        return (
            trigger_event.cause in TRIGGERING_CAUSES
            and trigger_event.from_band is not None  # scored for the first time: nothing changed
            and trigger_event.band in self.to
            and (not self.from_ or trigger_event.from_band in self.from_)
        )


class ScoreDropped(Trigger, frozen=True, tag="score_dropped"):
    """At 00:00 UTC the score is lower than `days` before, by `points` or more. A change that is due to another model is
    no drop."""

    points: float
    days: int

    def _is_meant(self, trigger_event: TriggerEvent) -> bool:
        score, before = trigger_event.score, trigger_event.from_score
        return (
            score is not None and before is not None and before - score + (trigger_event.by_model or 0.0) >= self.points
        )


class SlaBreached(Trigger, frozen=True, tag="sla_breached"):
    """A case was resolved later than had been promised."""


class SegmentEntered(Trigger, frozen=True, tag="segment_entered"):
    """The customer came into one of these segments, newly created or out of another."""

    segments: tuple[str, ...]

    def _is_meant(self, trigger_event: TriggerEvent) -> bool:
        return trigger_event.segment in self.segments


class SignalCrossed(Trigger, frozen=True, tag="signal_crossed"):
    """A reading of the signal is beyond the border, and the one before was not. A first reading crosses nothing."""

    signal: UUID
    above: float | None = None
    below: float | None = None

    def _is_meant(self, trigger_event: TriggerEvent) -> bool:
        value, before = trigger_event.value, trigger_event.from_value
        return (
            trigger_event.signal == self.signal
            and value is not None
            and before is not None
            and self._is_beyond(value)
            and not self._is_beyond(before)
        )

    def _is_beyond(self, value: float) -> bool:
        return (self.above is not None and value > self.above) or (self.below is not None and value < self.below)


class RenewalNear(Trigger, frozen=True, tag="renewal_near"):
    """At 00:00 UTC a renewal is due within `days`, and the relationship is in one of these bands."""

    days: int
    bands: tuple[Band, ...]

    def _is_meant(self, trigger_event: TriggerEvent) -> bool:
        return trigger_event.band in self.bands


class Detractor(Trigger, frozen=True, tag="detractor"):
    """The customer answered a survey as a detractor."""

    reason: ClassVar[str | None] = "No service publishes answers to surveys yet."


class MilestoneMissed(Trigger, frozen=True, tag="milestone_missed"):
    """A milestone that was agreed with the customer was not met by its date."""


AnyTrigger = (
    BandChanged
    | ScoreDropped
    | SlaBreached
    | SegmentEntered
    | SignalCrossed
    | RenewalNear
    | Detractor
    | MilestoneMissed
)


STANDS_FOR_MANY = "unidentified"
"""The tag of a customer that stands for all unidentified ones."""


class Customer(Struct, frozen=True):
    """A customer's record as it was known at an instant."""

    segment: str | None = None
    tier: str | None = None
    owner: str | None = None
    tags: frozenset[str] = frozenset()


class Audience(Struct, frozen=True):
    """Every kind that is named must match, by any of its values; with none named it is every customer. A customer with
    one of `without_tags` is excluded."""

    segments: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = (STANDS_FOR_MANY,)

    def has(self, customer: Customer) -> bool:
        return (
            (not self.segments or customer.segment in self.segments)
            and (not self.tiers or customer.tier in self.tiers)
            and (not self.tags or not customer.tags.isdisjoint(self.tags))
            and customer.tags.isdisjoint(self.without_tags)
        )


class Action(Struct, frozen=True):
    """A requested action: a `task` of sales, a `case` of service-desk, or a `webhook`."""

    kind: Literal["task", "case", "webhook"]
    title: str
    due_in_days: int | None = None
    owner: str | None = None
    """A user, by its id; in documents of before by a text of the tenant's. None: a task is the customer's owner's."""
    priority: str | None = None
    category: str | None = None
    queue: str | None = None

    def due_at(self, at: datetime) -> datetime | None:
        """Returns when the action is due, for a trigger event at `at`."""
        return at + timedelta(days=self.due_in_days) if self.due_in_days is not None else None

    def owner_for(self, customer: Customer) -> str | None:
        return self.owner or (customer.owner if self.kind == "task" else None)


def action_id(run: UUID, index: int) -> UUID:
    """Returns the id of the run's action of that index: requested twice, it is the same."""
    return uuid5(run, str(index))


class Outcome(Struct, frozen=True):
    """What counts as success, after `days`. `purchase`: an order placed within them. `active`: an event within them
    that the tenant counts as activity. `band_at_least`: the band at their end is this one or better."""

    kind: Literal["band_at_least", "purchase", "active"]
    days: int
    band: Band | None = None

    def settles_at(self, at: datetime) -> datetime:
        return at + timedelta(days=self.days)

    def is_met_by(self, band: str | None) -> bool:
        """Whether the outcome `band_at_least` is met. Without a score it is not."""
        return self.band is not None and band is not None and BANDS.index(band) >= BANDS.index(self.band)


class Plan(Struct, frozen=True):
    when: AnyTrigger
    actions: tuple[Action, ...]
    audience: Audience = Audience()
    cool_down_days: int = 30
    control_share: float = 0.0
    outcome: Outcome | None = None
    limit_per_day: int | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Returns the plan of a document. Raises Invalid for rules that the document's schema cannot express."""
        plan = msgspec.convert(document, cls)
        looks_back = plan.when.days if isinstance(plan.when, ScoreDropped | RenewalNear) else 0
        if plan.cool_down_days < looks_back:
            raise Invalid(
                f"It is looked for every day, over {looks_back} days: with a cool-down below that the same "
                f"{plan.when.kind.replace('_', ' ')} would set it off again.",
                field="document.cool_down_days",
            )
        return plan

    @property
    def cool_down(self) -> timedelta:
        return timedelta(days=self.cool_down_days)
