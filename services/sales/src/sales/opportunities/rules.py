"""Opportunity: a chance of a sale, on its way through the stages of the pipeline."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.sales import (
    OpportunityAdvanced,
    OpportunityAmended,
    OpportunityArchived,
    OpportunityLost,
    OpportunityOpened,
    OpportunityRestored,
    OpportunityWon,
)
from kith.nouns.aggregate import Archivable, CustomerOwned, Customisable
from kith.scalars.currencies import must_fit


class Stage(StrEnum):
    PROSPECTING = "prospecting"
    ENGAGING = "engaging"
    PROPOSING = "proposing"
    NEGOTIATING = "negotiating"
    WON = "won"
    LOST = "lost"

    @property
    def is_open(self) -> bool:
        return self not in (Stage.WON, Stage.LOST)


class OpportunityAlreadyClosed(Conflict):
    code = ErrorCode.OPPORTUNITY_ALREADY_CLOSED

    def __init__(self, opportunity: "Opportunity") -> None:
        super().__init__(f"Opportunity {opportunity.id} was {opportunity.stage} already.")


@dataclass(kw_only=True, eq=False)
class Opportunity(Archivable, Customisable, CustomerOwned):
    """A deal that may come about, in a stage of the pipeline until it is won or lost."""

    name: str | None
    """None: it was erased."""
    currency: str
    stage: Stage = Stage.PROSPECTING
    owner_id: UUID | None = None
    product_id: UUID | None = None
    value: Decimal | None = None
    source: str | None = None
    expected_close: date | None = None
    closed_at: datetime | None = None
    lost_reason: str | None = None

    @classmethod
    def open(cls, *, id: UUID, at: datetime, stage: Stage, **fields: Any) -> tuple[Self, OpportunityOpened]:
        if not stage.is_open:
            raise Invalid("An opportunity opens in an open stage.", field="stage")
        it = cls(id=id, stage=stage, **fields)
        must_fit(it.value, it.currency)
        return it, OpportunityOpened.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> OpportunityAmended:
        """Only the fields sent change; one sent as null is cleared."""
        self._must_be_open(at)
        must_fit(fields.get("value"), self.currency)
        return OpportunityAmended.of_changed(self, self.set(fields))

    def advance(self, *, at: datetime, stage: Stage) -> OpportunityAdvanced:
        """To another open stage, forward or back: both happen."""
        self._must_be_open(at)
        if not stage.is_open:
            raise Invalid("Win or lose it to close it.", field="stage")
        if stage is self.stage:
            raise Conflict(f"Opportunity {self.id} is in stage {stage} already.", field="stage")
        left, self.stage = self.stage, stage
        return OpportunityAdvanced.of(self, from_stage=left)

    def win(self, *, at: datetime, value: Decimal | None) -> OpportunityWon:
        """`value` is what it was won for; its last estimate stands if none is given."""
        self._must_be_open(at)
        won_for = self.value if value is None else value
        if won_for is None:
            raise Invalid("Say what it was won for: it has no value yet.", field="value")
        must_fit(value, self.currency)
        left, self.stage, self.value, self.closed_at = self.stage, Stage.WON, won_for, at
        return OpportunityWon.of(self, from_stage=left)

    def lose(self, *, at: datetime, reason: str | None) -> OpportunityLost:
        self._must_be_open(at)
        left, self.stage, self.lost_reason, self.closed_at = self.stage, Stage.LOST, reason, at
        return OpportunityLost.of(self, from_stage=left, reason=reason)

    def archive(self, *, at: datetime) -> OpportunityArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays
        counted. Only one that is won or lost is archived."""
        if self.stage.is_open:
            raise Conflict("It is open: win or lose it first.", field="stage")
        self.put_away(at)
        return OpportunityArchived()

    def restore(self, *, at: datetime) -> OpportunityRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return OpportunityRestored()

    def _must_be_open(self, at: datetime) -> None:
        if not self.stage.is_open:
            raise OpportunityAlreadyClosed(self)
        self.ensure_not_before_last_change(at)
