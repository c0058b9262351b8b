"""Lead: a person or an organisation that may become a customer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.leads import (
    LeadAmended,
    LeadArchived,
    LeadAssigned,
    LeadCaptured,
    LeadConversionBegun,
    LeadConversionUndone,
    LeadConverted,
    LeadDisqualified,
    LeadErased,
    LeadNurtured,
    LeadQualified,
    LeadRecycled,
    LeadRestored,
    LeadScored,
    LeadScoreReached,
    LeadWorked,
)
from kith.nouns.aggregate import AlreadyErased, Archivable, CustomerOwned, Customisable, Erasable, NamesContact
from sales.lead_scoring.values import NOT_SCORED, ScoreReason, Scoring


class LeadState(StrEnum):
    NEW = "new"
    WORKING = "working"
    NURTURING = "nurturing"
    QUALIFIED = "qualified"
    UNQUALIFIED = "unqualified"
    CONVERTING = "converting"
    CONVERTED = "converted"

    @property
    def is_open(self) -> bool:
        return self not in (LeadState.UNQUALIFIED, LeadState.CONVERTED)


_FROM: Mapping[LeadState, frozenset[LeadState]] = {
    LeadState.WORKING: frozenset({LeadState.NEW, LeadState.NURTURING, LeadState.QUALIFIED}),
    LeadState.QUALIFIED: frozenset({LeadState.NEW, LeadState.WORKING, LeadState.NURTURING}),
    LeadState.UNQUALIFIED: frozenset({LeadState.NEW, LeadState.WORKING, LeadState.NURTURING, LeadState.QUALIFIED}),
    LeadState.NURTURING: frozenset({LeadState.NEW, LeadState.WORKING, LeadState.QUALIFIED, LeadState.UNQUALIFIED}),
    LeadState.NEW: frozenset({LeadState.NURTURING, LeadState.UNQUALIFIED}),
    LeadState.CONVERTING: frozenset({LeadState.NEW, LeadState.WORKING, LeadState.NURTURING, LeadState.QUALIFIED}),
}
"""The states from which a lead comes to each."""
QUALIFIABLE = _FROM[LeadState.QUALIFIED]


class LeadMoveNotAllowed(Conflict):
    code = ErrorCode.LEAD_MOVE_NOT_ALLOWED

    def __init__(self, lead: "Lead", to: LeadState) -> None:
        allowed = ", ".join(state for state in LeadState if state in _FROM[to])
        super().__init__(f"Lead {lead.id} is {lead.state}; {to} it becomes from: {allowed}.")


class LeadConverting(Conflict):
    code = ErrorCode.LEAD_CONVERTING

    def __init__(self, lead: "Lead") -> None:
        super().__init__(f"Lead {lead.id} is being converted by process {lead.conversion_id}: wait for its end.")


class ScoreUnchanged(Conflict):
    """There is nothing to say."""


@dataclass(kw_only=True, eq=False)
class Lead(Archivable, Customisable, CustomerOwned, NamesContact, Erasable):
    """A person or an organisation that may become a customer."""

    PERSONAL = ("name", "email", "phone", "company", "title", "custom_personal")

    name: str | None
    """None: it was erased."""
    email: str | None = None
    phone: str | None = None
    """As it was written."""
    company: str | None = None
    title: str | None = None
    """Of the job."""
    source: str | None = None
    campaign: str | None = None
    country: str | None = None
    owner_id: UUID | None = None
    queue_id: UUID | None = None
    state: LeadState = LeadState.NEW
    nurture_until: datetime | None = None
    """When it comes back."""
    unqualified_reason: str | None = None
    duplicate_of_id: UUID | None = None
    """An open lead that had the same address when this one was captured."""
    score: int | None = None
    """By the tenant's rules. None: there were none when it was looked at last."""
    score_reasons: list[ScoreReason] = field(default_factory=list)
    scored_by: int | None = None
    """The number of the rules."""
    has_reached: bool | None = None
    """Whether the score has come to the threshold of these. None: it was scored before that was kept."""
    conversion_id: UUID | None = None
    """The process that converts it, or has converted it."""
    converted_by: str | None = None
    """Who had it converted, as events name it."""
    state_before: LeadState | None = None
    """Of its conversion: what it comes back to if that is undone."""
    converted_at: datetime | None = None
    opportunity_id: UUID | None = None

    @classmethod
    def capture(
        cls,
        *,
        id: UUID,
        at: datetime,
        duplicate_of_id: UUID | None = None,
        next_owner: UUID | None = None,
        scoring: Scoring = NOT_SCORED,
        **fields: Any,
    ) -> tuple[Self, LeadCaptured] | tuple[Self, tuple[LeadCaptured, LeadScoreReached]]:
        """Without an owner it is given to the one whose turn it is in its queue, if it has one."""
        it = cls(id=id, duplicate_of_id=duplicate_of_id, **fields)
        it.owner_id = it.owner_id or next_owner
        reached = it._score_by(scoring)
        captured = LeadCaptured.of(it)
        return (it, captured) if reached is None else (it, (captured, reached))

    def amend(
        self, *, at: datetime, scoring: Scoring = NOT_SCORED, **fields: Any
    ) -> LeadAmended | tuple[LeadAmended, LeadScoreReached]:
        """Only the fields sent change; one sent as null is cleared."""
        self._ensure_may_change(at)
        changed, before = self.set(fields), self.score
        reached = self._score_by(scoring)
        amended = LeadAmended.of_changed(self, changed if self.score == before else [*changed, "score"])
        return amended if reached is None else (amended, reached)

    def rescore(
        self, *, at: datetime, scoring: Scoring = NOT_SCORED
    ) -> LeadScored | LeadScoreReached | tuple[LeadScored, LeadScoreReached]:
        """The tenant's rules have changed. That is done of itself, by and by."""
        self._ensure_may_change(at)
        before = (self.score, self.score_reasons)
        reached = self._score_by(scoring)
        if before == (self.score, self.score_reasons):
            if reached is None:
                raise ScoreUnchanged(f"Lead {self.id} has the same score by rules {scoring.number}.")
            return reached
        scored = LeadScored.of(self)
        return scored if reached is None else (scored, reached)

    def assign(
        self, *, at: datetime, owner_id: UUID | None, queue_id: UUID | None, next_owner: UUID | None = None
    ) -> LeadAssigned:
        """To an owner; or to the one whose turn it is in a queue; or, with neither, to nobody."""
        self._ensure_may_change(at)
        self.owner_id = owner_id or next_owner
        self.queue_id = queue_id or self.queue_id
        return LeadAssigned.of(self)

    def work(self, *, at: datetime) -> LeadWorked:
        """Somebody looks after it."""
        return LeadWorked.of(self, from_state=self._move(LeadState.WORKING, at))

    def qualify(self, *, at: datetime) -> LeadQualified:
        """It is worth an opportunity."""
        return LeadQualified.of(self, from_state=self._move(LeadState.QUALIFIED, at))

    def disqualify(self, *, at: datetime, reason: str) -> LeadDisqualified:
        """It is none, or not for us."""
        left = self._move(LeadState.UNQUALIFIED, at)
        self.unqualified_reason = reason
        return LeadDisqualified(state=self.state, from_state=left, reason=reason)

    def nurture(self, *, at: datetime, until: datetime) -> LeadNurtured:
        """It is not ripe yet: at `until` it comes back of itself."""
        if until <= at:
            raise Invalid("It is later than now.", field="until")
        left = self._move(LeadState.NURTURING, at)
        self.nurture_until = until
        return LeadNurtured.of(self, from_state=left)

    @property
    def next_recycling(self) -> datetime | None:
        """None: it does not come back of itself."""
        waits = self.state is LeadState.NURTURING and self.archived_at is None and self.erased_at is None
        return self.nurture_until if waits else None

    def recycle(self, *, at: datetime) -> LeadRecycled:
        """It is new again. With one that is nurtured that is done of itself."""
        return LeadRecycled.of(self, from_state=self._move(LeadState.NEW, at))

    def convert(
        self,
        *,
        at: datetime,
        actor: str,
        process_id: UUID | None = None,
    ) -> LeadConversionBegun:
        """A customer, a contact and an opportunity are made of it, by a process that ends with all of them or with
        none. Until then it is not changed."""
        self._ensure_may_change(at)
        if self.state not in _FROM[LeadState.CONVERTING]:
            raise LeadMoveNotAllowed(self, LeadState.CONVERTING)
        left, self.state = self.state, LeadState.CONVERTING
        self.state_before, self.conversion_id, self.converted_by = left, process_id, actor
        return LeadConversionBegun.of(self, from_state=left)

    def end_conversion(
        self, *, at: datetime, customer_id: UUID, contact_id: UUID | None, opportunity_id: UUID | None
    ) -> LeadConverted:
        """All of it is there."""
        self.ensure_not_erased()
        if self.name is None:  # it was erased with its customer
            raise AlreadyErased(self)
        self.ensure_not_before_last_change(at)
        self.state, self.state_before, self.nurture_until = LeadState.CONVERTED, None, None
        self.converted_at = at
        self.customer_id, self.contact_id, self.opportunity_id = customer_id, contact_id, opportunity_id
        return LeadConverted.of(self)

    def undo_conversion(self, *, at: datetime) -> LeadConversionUndone:
        """Nothing is left of it: the lead is as it was before."""
        self.ensure_not_before_last_change(at)
        assert self.state_before is not None
        self.state, self.state_before = self.state_before, None
        self.conversion_id = self.converted_by = None
        return LeadConversionUndone.of(self, from_state=LeadState.CONVERTING)

    def archive(self, *, at: datetime) -> LeadArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays counted."""
        if self.state is LeadState.CONVERTING:
            raise LeadConverting(self)
        self.put_away(at)
        return LeadArchived()

    def restore(self, *, at: datetime) -> LeadRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return LeadRestored()

    def erase(self, *, at: datetime) -> LeadErased:
        """Who it is goes for good."""
        self.forget(at)
        return LeadErased()

    def _score_by(self, scoring: Scoring) -> LeadScoreReached | None:
        """Returns the event if it comes to the threshold."""
        if scoring.number == 0:
            return None
        had_reached = scoring.is_reached(self.score) if self.has_reached is None else self.has_reached
        self.score, self.score_reasons = scoring.score(self._scorable())
        self.scored_by, self.has_reached = scoring.number, scoring.is_reached(self.score)
        if had_reached or not self.has_reached:
            return None
        return LeadScoreReached.of(self, threshold=scoring.threshold)

    def _scorable(self) -> dict[str, Any]:
        """Returns the fields that rules look at, by their paths."""
        domain = None if self.email is None else self.email.rpartition("@")[2].lower()
        own = {f"custom.{code}": value for code, value in self.custom.items()}
        own |= {f"custom_personal.{code}": value for code, value in self.custom_personal.items()}
        return vars(self) | own | {"email_domain": domain}

    def _move(self, to: LeadState, at: datetime) -> LeadState:
        """Returns the state that it leaves."""
        self._ensure_may_change(at)
        if self.state not in _FROM[to]:
            raise LeadMoveNotAllowed(self, to)
        left, self.state = self.state, to
        self.nurture_until = self.unqualified_reason = None
        return left

    def _ensure_may_change(self, at: datetime) -> None:
        self.ensure_not_erased()
        if self.state is LeadState.CONVERTING:
            raise LeadConverting(self)
        self.ensure_not_before_last_change(at)
