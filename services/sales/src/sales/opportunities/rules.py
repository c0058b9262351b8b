"""Opportunity: a chance of a sale, on its way through the stages of the pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.sales import (
    OpportunityAdvanced,
    OpportunityAmended,
    OpportunityArchived,
    OpportunityContactsFollowed,
    OpportunityLost,
    OpportunityOpened,
    OpportunityReopened,
    OpportunityRestored,
    OpportunityRotted,
    OpportunitySwitched,
    OpportunityWon,
)
from kith.nouns.aggregate import Archivable, CustomerOwned, Customisable
from kith.scalars.currencies import must_fit
from sales.opportunities.values import (
    MOST_VISITS,
    OpportunityContact,
    OpportunitySplit,
    StageVisit,
    check_contacts,
    check_splits,
    told_as_before,
)
from sales.pipelines.values import (
    CLOSED,
    LOST,
    NONE_DECLARED,
    WON,
    ForecastCategory,
    Pipelines,
    PipelineStage,
    PipelineVersion,
)
from sales.prices.rules import NO_PRICES, Pricing
from sales.reasons.rules import ReasonKind
from sales.values import Line, completed, value_of

_NOBODY_MERGED: Mapping[UUID, UUID] = {}


class OpportunityAlreadyClosed(Conflict):
    code = ErrorCode.OPPORTUNITY_ALREADY_CLOSED

    def __init__(self, opportunity: "Opportunity") -> None:
        super().__init__(f"Opportunity {opportunity.id} was {opportunity.stage} already.")


class OpportunityStillOpen(Conflict):
    code = ErrorCode.OPPORTUNITY_STILL_OPEN


class OpportunityLacksField(Conflict):
    code = ErrorCode.OPPORTUNITY_LACKS_FIELD


class StageSkipped(Conflict):
    code = ErrorCode.STAGE_SKIPPED


@dataclass(kw_only=True, eq=False)
class Opportunity(Archivable, Customisable, CustomerOwned):
    """A deal that may come about, in a stage of the pipeline until it is won or lost."""

    name: str | None
    """None: it was erased."""
    currency: str
    pipeline_id: UUID | None = None
    """None: the one of tenants who declare none."""
    pipeline_version: int | None = None
    """The number of the stages that it goes through."""
    stage: str = ""
    probability_percent: Decimal | None = None
    """Of being won, by the stage that it is in, or was closed from. None: it came there before there were pipelines."""
    forecast_category: ForecastCategory | None = None
    visits: list[StageVisit] = field(default_factory=list)
    """Of stages, the last ones, in order. None: it has not moved since there are pipelines."""
    rots_at: datetime | None = None
    """When it has been in its stage for too long. None: it may stay."""
    rotted_at: datetime | None = None
    """When that was so, in its stage of now."""
    owner_id: UUID | None = None
    product_id: UUID | None = None
    value: Decimal | None = None
    source: str | None = None
    campaign: str | None = None
    next_step: str | None = None
    competitors: list[str] = field(default_factory=list)
    contacts: list[OpportunityContact] = field(default_factory=list)
    splits: list[OpportunitySplit] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    """What it is about. Its value is their sum, if there are any."""
    last_line: int = 0
    """The highest number that a line of it ever had."""
    expected_close: date | None = None
    closed_at: datetime | None = None
    won_reason: str | None = None
    lost_reason: str | None = None

    @classmethod
    def open(
        cls,
        *,
        id: UUID,
        at: datetime,
        stage: str | None,
        pipeline_id: UUID | None = None,
        pipelines: Pipelines = NONE_DECLARED,
        remaining: Mapping[UUID, UUID] = _NOBODY_MERGED,
        pricing: Pricing = NO_PRICES,
        **fields: Any,
    ) -> tuple[Self, OpportunityOpened]:
        """In the first stage, unless one is named. A line without a price has the list price."""
        if stage in CLOSED:
            raise Invalid("An opportunity opens in an open stage.", field="stage")
        begun = pipelines.begun(pipeline_id)
        made = _itemised(fields, fields["currency"], at, pricing)
        made["contacts"] = told_as_before(fields.get("contacts", ()), ())
        it = cls(id=id, pipeline_id=begun.pipeline_id, pipeline_version=begun.number, **made)
        it._enter(begun.stages[0] if stage is None else begun.stage(stage), at)
        it._point(remaining)
        it._check()
        return it, OpportunityOpened.of(it)

    def amend(
        self,
        *,
        at: datetime,
        remaining: Mapping[UUID, UUID] = _NOBODY_MERGED,
        pricing: Pricing = NO_PRICES,
        **fields: Any,
    ) -> OpportunityAmended:
        """Only the fields sent change; one sent as null is cleared. Lines are sent whole: those that are to stay have
        their numbers, and one without a number is a new one."""
        self._must_be_open(at)
        made = _itemised(fields, self.currency, at, pricing, self.lines, self.last_line)
        self.last_line = made.pop("last_line", self.last_line)
        if "contacts" in fields:
            made["contacts"] = told_as_before(fields["contacts"], self.contacts)
        changed = self.set(made)
        if "contacts" in fields:
            self._point(remaining)
        self._check()
        return OpportunityAmended.of_changed(self, changed)

    def follow_contacts(
        self, *, at: datetime, remaining: Mapping[UUID, UUID] = _NOBODY_MERGED
    ) -> OpportunityContactsFollowed:
        """Contacts were merged, or separated: it names those that remain."""
        self.ensure_not_before_last_change(at)
        self._point(remaining)
        return OpportunityContactsFollowed.of_changed(self, ["contacts"])

    def drop_contact(self, *, at: datetime, contact_id: UUID) -> OpportunityContactsFollowed:
        """The contact was erased: it is named no more."""
        self.ensure_not_before_last_change(at)
        self.contacts = [each for each in self.contacts if contact_id not in (each.contact_id, each.told)]
        return OpportunityContactsFollowed.of_changed(self, ["contacts"])

    def advance(self, *, at: datetime, stage: str, pipelines: Pipelines = NONE_DECLARED) -> OpportunityAdvanced:
        """To another open stage, forward or back: both happen. On the way forward no required stage is passed over, and
        what the stages require is set."""
        self._must_be_open(at)
        if stage in CLOSED:
            raise Invalid("Win or lose it to close it.", field="stage")
        if stage == self.stage:
            raise Conflict(f"Opportunity {self.id} is in stage {stage} already.", field="stage")
        kept = self._kept(pipelines)
        to = kept.stage(stage)
        self._ensure_may_leave(kept.left(self.stage, stage), to="stage")
        return OpportunityAdvanced.of(self, from_stage=self._enter(to, at))

    def switch(
        self, *, at: datetime, stage: str, pipeline_id: UUID | None, pipelines: Pipelines = NONE_DECLARED
    ) -> OpportunitySwitched:
        """To another pipeline, or to the stages that its own has now; into a stage of it, whichever."""
        self._must_be_open(at)
        to = pipelines.now(pipeline_id or self.pipeline_id)
        if (to.pipeline_id, to.number) == (self.pipeline_id, self.pipeline_version):
            raise Conflict("It goes through these stages already.", field="pipeline_id")
        entered = to.stage(stage)
        self.pipeline_id, self.pipeline_version = to.pipeline_id, to.number
        return OpportunitySwitched.of(self, from_stage=self._enter(entered, at))

    def win(
        self, *, at: datetime, value: Decimal | None, reason: str | None = None, pipelines: Pipelines = NONE_DECLARED
    ) -> OpportunityWon:
        """`value` is what it was won for; its last estimate stands if none is given. Of one with lines it is their
        sum."""
        self._must_be_open(at)
        won_for = self.value if value is None else value
        if won_for is None:
            raise Invalid("Say what it was won for: it has no value yet.", field="value")
        must_fit(value, self.currency)
        if self.lines:
            value_of(self.lines, value)
        self.value, self.won_reason = won_for, reason
        self._ensure_may_leave(self._kept(pipelines).left(self.stage, WON), to=None)
        return OpportunityWon.of(self, from_stage=self._close(WON, at), reason=reason)

    def lose(self, *, at: datetime, reason: str | None) -> OpportunityLost:
        self._must_be_open(at)
        self.lost_reason = reason
        return OpportunityLost.of(self, from_stage=self._close(LOST, at), reason=reason)

    def reopen(self, *, at: datetime, stage: str, pipelines: Pipelines = NONE_DECLARED) -> OpportunityReopened:
        """One that was won or lost, into an open stage: that from which it was closed, or one before."""
        if self.closed_at is None:
            raise OpportunityStillOpen(f"Opportunity {self.id} is open, in stage {self.stage}.")
        self.ensure_not_before_last_change(at)
        if stage in CLOSED:
            raise Invalid("It reopens in an open stage.", field="stage")
        kept = self._kept(pipelines)
        entered = kept.stage(stage)
        if (left := self._closed_from) is not None and kept.left(left, stage):
            raise StageSkipped(f"It was closed from stage {left}, and reopens no further on.", field="stage")
        self.closed_at = self.won_reason = self.lost_reason = None
        return OpportunityReopened.of(self, from_stage=self._enter(entered, at))

    @property
    def next_rotting(self) -> datetime | None:
        """None: it may stay, or was said to have rotted in this stage already."""
        return self.rots_at if self.rotted_at is None else None

    def rot(self, *, at: datetime) -> OpportunityRotted:
        """It has been in its stage for too long. That is done of itself when the time comes, once for each visit."""
        self._must_be_open(at)
        if self.rots_at is None:
            raise Conflict(f"In stage {self.stage} no opportunity rots.")
        if self.rotted_at is not None:
            raise Conflict(f"Opportunity {self.id} has rotted in stage {self.stage} already.")
        self.rotted_at = at
        return OpportunityRotted.of(self)

    def archive(self, *, at: datetime) -> OpportunityArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays
        counted. Only one that is won or lost is archived."""
        if self.closed_at is None:
            raise OpportunityStillOpen("It is open: win or lose it first.", field="stage")
        self.put_away(at)
        return OpportunityArchived()

    def restore(self, *, at: datetime) -> OpportunityRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return OpportunityRestored()

    @property
    def closed_for(self) -> ReasonKind:
        """What the reason is for which it was closed."""
        return ReasonKind.OPPORTUNITY_WON if self.stage == WON else ReasonKind.OPPORTUNITY_LOST

    def _point(self, remaining: Mapping[UUID, UUID]) -> None:
        self.contacts = [each.pointed(remaining) for each in self.contacts]

    def _check(self) -> None:
        must_fit(self.value, self.currency)
        check_contacts(self.contacts)
        check_splits(self.splits)

    def _must_be_open(self, at: datetime) -> None:
        if self.closed_at is not None:
            raise OpportunityAlreadyClosed(self)
        self.ensure_not_before_last_change(at)

    @property
    def _closed_from(self) -> str | None:
        """The stage that it was closed from, if that is known."""
        *_, left, closed = (None, None, *(each.stage for each in self.visits))
        return left if closed == self.stage else None

    def _kept(self, pipelines: Pipelines) -> PipelineVersion:
        return pipelines.kept(self.pipeline_id, self.pipeline_version)

    def _ensure_may_leave(self, left: Sequence[PipelineStage], *, to: str | None) -> None:
        """Raises OpportunityLacksField or StageSkipped, unless it may leave these stages on the way forward, the first
        of which it is in. `to`: the field that says where it goes."""
        for each in left[1:]:
            if each.required:
                raise StageSkipped(f"Stage {each.key} may not be skipped.", field=to)
        for each in left:
            for name in each.required_fields:
                if self._lacks(name):
                    raise OpportunityLacksField(f"It has to be set before stage {each.key} is left.", field=name)

    def _lacks(self, name: str) -> bool:
        held, _, code = name.partition(".")
        return (self.custom | self.custom_personal if code else vars(self)).get(code or held) in (None, [])

    def _enter(self, stage: PipelineStage, at: datetime) -> str:
        """Returns the stage that it leaves."""
        left = self._visit(stage.key, at)
        self.probability_percent, self.forecast_category = stage.probability_percent, stage.forecast_category
        since = self.visits[-1].entered_at if self.visits else at
        self.rots_at = None if stage.rotting_days is None else since + timedelta(days=stage.rotting_days)
        return left

    def _close(self, stage: str, at: datetime) -> str:
        """Returns the stage that it leaves."""
        self.closed_at, self.rots_at = at, None
        return self._visit(stage, at)

    def _visit(self, stage: str, at: datetime) -> str:
        left = self.stage
        if left != stage:
            self.stage, self.rotted_at = stage, None
            # Where code of before has moved it since, they are not known: its history tells them (past_visits).
            known = self.visits if self.visits and self.visits[-1].stage == left else []
            before = [*known[:-1], *(replace(each, left_at=at) for each in known[-1:])]
            self.visits = [*before, StageVisit(stage=stage, entered_at=at)][-MOST_VISITS:]
        return left


def _itemised(
    fields: Mapping[str, Any],
    currency: str,
    at: datetime,
    pricing: Pricing,
    kept: Sequence[Line] = (),
    last: int = 0,
) -> dict[str, Any]:
    """Returns the fields with what follows from the lines, those that are sent or else those that it has."""
    lines = fields.get("lines", kept)
    if not lines or not fields.keys() & {"lines", "value"}:
        return dict(fields)
    if "lines" not in fields:
        return {**fields, "value": value_of(lines, fields["value"])}
    former = {each.number: each for each in kept}
    lines = completed(pricing.listed(lines, currency, at, None, former=former), currency, kept=former, last=last)
    lines = pricing.apart(lines, currency, at, None, last=last)
    last = max(last, *(each.number for each in lines))
    return {**fields, "lines": lines, "last_line": last, "value": value_of(lines, fields.get("value"))}
