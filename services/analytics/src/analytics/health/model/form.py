"""The form of a health model: its commands, its table and its view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import (
    TEXT,
    Column,
    Integer,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.model.documents import HealthModelDocument, MeasureDocument, as_kept
from analytics.health.model.gallery import GALLERY
from analytics.health.model.rules import Document, HealthModel, HealthModelState
from analytics.projections.custom_fields import PREFIX, CustomerFields, customer_fields, must_be_spelt
from analytics.signals.form import signals
from analytics.tables import metadata
from analytics.timeline.reads import unheard_of
from kith.db.tables import Moment, Structured, aggregate_table, one_of
from kith.errors import Invalid
from kith.nouns.inputs import Input, NewInput, refuse
from kith.nouns.resource import Attempt, Check, Command, Resource, View
from kith.scalars import Code


class DraftHealthModel(NewInput):
    """The whole document, or the name of a ready-made one."""

    document: HealthModelDocument | None = None
    gallery: Code | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.document is None) == (self.gallery is None):
            raise PydanticCustomError("one_of", "Send either a document or the name of one in the gallery.")
        if self.gallery is not None and self.gallery not in GALLERY:
            refuse(self, [("gallery", f"It is one of {', '.join(GALLERY)}.")])
        return self

    def fields(self) -> dict[str, Any]:
        return {"document": as_kept(self.document or ready_made(self.gallery or ""))}


class ReviseHealthModel(Input):
    """The whole document, in place of the draft."""

    document: HealthModelDocument

    def fields(self) -> dict[str, Any]:
        return {"document": as_kept(self.document)}


class PublishHealthModel(Input):
    pass


class RetireHealthModel(Input):
    pass


def ready_made(name: str) -> HealthModelDocument:
    return HealthModelDocument.model_validate(GALLERY[name].document)


async def what_it_names_is_defined(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    check = await named_checked(connection, tenant, [given for given, _ in asked])
    return lambda given, _: check(given)


async def named_checked(connection: AsyncConnection, tenant: str, inputs: Sequence[Input]) -> Callable[[Input], None]:
    """Returns the check that there is what documents name: signals, custom fields, customers."""
    of_signals = await _signals_checked(connection, tenant, inputs)
    has_custom = any(_custom(given) for given in inputs)
    fields = await customer_fields(connection, tenant) if has_custom else CustomerFields({})
    named = [customer for given in inputs for customer in _within(given)]
    unheard = await unheard_of(connection, tenant, named) if named else ()

    def check(given: Input) -> None:
        of_signals(given)
        for code, values in _custom(given).items():
            parameter = f"document.audience.custom.{code}"
            field = fields.dividing(PREFIX + code, parameter=parameter)
            for value in values:
                must_be_spelt(field, value, parameter=parameter)
        for customer in _within(given):
            if customer in unheard:
                rule = f"There is no customer {customer}. One that was made just now may not have arrived here yet."
                raise Invalid(rule, field="document.audience.within")

    return check


def _within(given: Input) -> Sequence[UUID]:
    document = getattr(given, "document", None)
    return document.audience.within if document is not None else ()


def _custom(given: Input) -> Mapping[str, Sequence[str]]:
    document = getattr(given, "document", None)
    return document.audience.custom if document is not None else {}


async def _signals_checked(
    connection: AsyncConnection, tenant: str, inputs: Sequence[Input]
) -> Callable[[Input], None]:
    named = {each.signal for given in inputs for each in _measures(given) if each.signal is not None}
    c, known = signals.c, set[UUID]()
    if named:
        known = set(await connection.scalars(select(c.id).where(c.tenant_id == tenant, c.id.in_(named))))

    def check(given: Input) -> None:
        for measure in _measures(given):
            if measure.signal is not None and measure.signal not in known:
                field = f"document.measures.{measure.id}.signal"
                raise Invalid(f"There is no signal {measure.signal}. Define it first.", field=field)

    return check


def _measures(given: Input) -> Sequence[MeasureDocument]:
    document = getattr(given, "document", None)
    return document.measures if document is not None else ()


# The nouns of analytics itself. Their events are published like all others, and come back into the ledger.
health_models = aggregate_table(
    "health_models",
    metadata,
    Column("title", TEXT, nullable=False),
    Column("state", one_of(HealthModelState), nullable=False),
    Column("draft_document", Structured(Document | None)),
    Column("published_document", Structured(Document | None)),
    Column("number", Integer, nullable=False),
    Column("published_at", Moment),
)


@dataclass(slots=True)
class HealthModelView(View):
    title: str
    state: HealthModelState
    draft_document: Document | None
    published_document: Document | None
    number: int
    published_at: datetime | None


HEALTH_MODELS = Resource(
    "health_model",
    "health_models",
    HealthModel,
    health_models,
    HealthModelView,
    (
        Command("draft", DraftHealthModel, HealthModel.draft),
        Command("revise", ReviseHealthModel, HealthModel.revise),
        Command("publish", PublishHealthModel, HealthModel.publish),
        Command("retire", RetireHealthModel, HealthModel.retire),
    ),
    filters=("state",),
    searched=("title",),
    unindexed={"state": "A tenant has a handful of them."},
    unpublished=dict.fromkeys(
        ("title", "state", "number"), "A draft scores no customer; a model that does is published."
    ),
    checks=what_it_names_is_defined,
    reference_data=True,
)
