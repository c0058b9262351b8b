"""The life of a health model: drafted, published, revised and published again, at last retired.

Its content is a document, which is checked before it comes here (see health.model.commands). The document in force is
the one that was published last; a newer draft beside it scores no customer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, NothingAmended
from kith.events.analytics import HealthModelDrafted, HealthModelPublished, HealthModelRetired, HealthModelRevised
from kith.nouns.aggregate import Aggregate

Document = dict[str, Any]


class HealthModelState(StrEnum):
    DRAFT = "draft"
    """It was never published."""
    PUBLISHED = "published"
    REVISED = "revised"
    """It is published, and there is a newer draft."""
    RETIRED = "retired"


class HealthModelRetiredAlready(Conflict):
    code = ErrorCode.HEALTH_MODEL_RETIRED

    def __init__(self, model: "HealthModel") -> None:
        super().__init__(f"Health model {model.id} was retired. Draft another.")


class NothingToPublish(Conflict):
    code = ErrorCode.NOTHING_TO_PUBLISH


@dataclass(kw_only=True, eq=False)
class HealthModel(Aggregate):
    """How health is scored: measures with weights and curves, in numbered versions."""

    title: str
    """The title of the newest document."""
    state: HealthModelState = HealthModelState.DRAFT
    draft_document: Document | None = None
    """None: nothing is newer than the published document."""
    published_document: Document | None = None
    number: int = 0
    """How often it was published; the version that scores name."""
    published_at: datetime | None = None

    @classmethod
    def draft(cls, *, id: UUID, at: datetime, document: Document) -> tuple[Self, HealthModelDrafted]:
        """Drafts a model from a whole document, or from a ready-made one of the gallery."""
        it = cls(id=id, title=document["title"], draft_document=document)
        return it, HealthModelDrafted.of(it)

    def revise(self, *, at: datetime, document: Document) -> HealthModelRevised:
        """Replaces the draft. The published document stays in force until the draft is published."""
        self._must_not_be_retired(at)
        if document == (self.draft_document or self.published_document):
            raise NothingAmended("That is the document already.")
        is_in_force = document == self.published_document
        self.title, self.draft_document = document["title"], None if is_in_force else document
        if self.published_document is not None:
            self.state = HealthModelState.PUBLISHED if is_in_force else HealthModelState.REVISED
        return HealthModelRevised.of(self)

    def publish(self, *, at: datetime) -> HealthModelPublished:
        """Puts the draft in force: from now on it scores the customers it is for."""
        self._must_not_be_retired(at)
        if self.draft_document is None:
            raise NothingToPublish(f"Health model {self.id} has no draft newer than its number {self.number}.")
        self.published_document, self.draft_document = self.draft_document, None
        self.state, self.published_at, self.number = HealthModelState.PUBLISHED, at, self.number + 1
        return HealthModelPublished.of(self, document=self.published_document)

    def retire(self, *, at: datetime) -> HealthModelRetired:
        """Retires the model: from now on it scores no customer. Its draft is discarded too. This is final: draft
        another."""
        self._must_not_be_retired(at)
        self.state = HealthModelState.RETIRED
        return HealthModelRetired.of(self)

    def _must_not_be_retired(self, at: datetime) -> None:
        if self.state is HealthModelState.RETIRED:
            raise HealthModelRetiredAlready(self)
        self.ensure_not_before_last_change(at)
