"""The schema of a playbook's document."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from analytics.playbooks.plan import STANDS_FOR_MANY, Band
from kith.nouns.inputs import AS_SET, Document
from kith.scalars import Code, Id, Real, Text, Whole

MAX_ACTIONS = 5
MAX_DAYS = 3650
MAX_CONTROL_SHARE = 0.9

Days = Annotated[int, Whole(1, 365)]
Bands = Annotated[list[Band], Field(min_length=1, max_length=3), AS_SET]
Codes = Annotated[list[Code], Field(max_length=50), AS_SET]
Number = Annotated[float, Real()]


class BandChangedDocument(Document):
    """The relationship came into one of the bands `to`, out of one of `from`, if any are named."""

    kind: Literal["band_changed"]
    to: Bands
    from_: Annotated[list[Band], Field(alias="from", max_length=3, default_factory=list), AS_SET]


class ScoreDroppedDocument(Document):
    """At 00:00 UTC the score is lower than `days` before, by `points` or more."""

    kind: Literal["score_dropped"]
    points: Annotated[float, Real(above=0, most=100)]
    days: Days


class SlaBreachedDocument(Document):
    """A case was resolved later than had been promised."""

    kind: Literal["sla_breached"]


class SegmentEnteredDocument(Document):
    """The customer came into one of these segments."""

    kind: Literal["segment_entered"]
    segments: Annotated[list[Code], Field(min_length=1, max_length=50), AS_SET]


class SignalCrossedDocument(Document):
    """A reading of the signal is beyond the border, and the one before was not."""

    kind: Literal["signal_crossed"]
    signal: Id
    above: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def _has_one_border(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise PydanticCustomError("border", "It has either above or below.")
        return self


class RenewalNearDocument(Document):
    """At 00:00 UTC a renewal is due within `days`, and the relationship is in one of these bands."""

    kind: Literal["renewal_near"]
    days: Days
    bands: Bands


class DetractorDocument(Document):
    """The customer answered a survey as a detractor."""

    kind: Literal["detractor"]


class MilestoneMissedDocument(Document):
    """A milestone that was agreed with the customer was not met by its date."""

    kind: Literal["milestone_missed"]


TriggerDocument = Annotated[
    BandChangedDocument
    | ScoreDroppedDocument
    | SlaBreachedDocument
    | SegmentEnteredDocument
    | SignalCrossedDocument
    | RenewalNearDocument
    | DetractorDocument
    | MilestoneMissedDocument,
    Field(discriminator="kind"),
]


class PlaybookAudienceDocument(Document):
    """Every kind that is named must match, by any of its values; with none named it is every customer. A customer that
    has one of `without_tags` is excluded."""

    segments: Codes = Field(default_factory=list)
    tiers: Codes = Field(default_factory=list)
    tags: Codes = Field(default_factory=list)
    without_tags: Codes = Field(default_factory=lambda: [STANDS_FOR_MANY])


class TaskActionDocument(Document):
    """A task in sales. `title` is the same for every customer, and names no person. Without `owner` it is assigned to
    the customer's owner."""

    kind: Literal["task"]
    title: Text
    due_in_days: Annotated[int, Whole(0, 365)] | None = None
    owner: Id | None = None


class CaseActionDocument(Document):
    """A case in service-desk, assigned to `owner`, if one is named. `title` is the same for every customer, and names
    no person."""

    kind: Literal["case"]
    title: Text
    priority: Literal["critical", "high", "moderate", "low"] = "moderate"
    category: Code | None = None
    queue: Code | None = None
    owner: Id | None = None


class WebhookActionDocument(Document):
    """An event that requests the action, for the consumers of the tenant's events."""

    kind: Literal["webhook"]
    title: Text


ActionDocument = Annotated[TaskActionDocument | CaseActionDocument | WebhookActionDocument, Field(discriminator="kind")]


class BandOutcomeDocument(Document):
    """`days` later the relationship is in this band or a better one."""

    kind: Literal["band_at_least"]
    band: Literal["steady", "healthy"]
    days: Days


class PurchaseOutcomeDocument(Document):
    """An order is placed within `days`."""

    kind: Literal["purchase"]
    days: Days


class ActiveOutcomeDocument(Document):
    """Within `days` something happens that the tenant counts as activity."""

    kind: Literal["active"]
    days: Days


OutcomeDocument = Annotated[
    BandOutcomeDocument | PurchaseOutcomeDocument | ActiveOutcomeDocument, Field(discriminator="kind")
]


class PlaybookDocument(Document):
    when: TriggerDocument
    audience: PlaybookAudienceDocument = PlaybookAudienceDocument()
    cool_down_days: Annotated[
        int, Whole(0, MAX_DAYS), Field(description="so long after a run there is no other of the same customer")
    ] = 30
    control_share: Annotated[
        float, Real(0, MAX_CONTROL_SHARE), Field(description="of the customers, left alone to compare with")
    ] = 0.0
    actions: Annotated[list[ActionDocument], Field(min_length=1, max_length=MAX_ACTIONS)]
    outcome: OutcomeDocument | None = Field(
        default=None, description="what counts as success; none: no outcome is reported"
    )
    limit_per_day: (
        Annotated[int, Whole(1), Field(description="runs of a day (UTC), those left alone among them")] | None
    ) = None

    def kept(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
