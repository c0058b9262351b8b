"""What the other services hold: their collections, each with the events that published it. Not what analytics holds
itself: its rows are in the database of the ledger, and no other service has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from analytics.projections.facts import types_of
from kith.events.activities import ActivityRecorded
from kith.events.attachments import AttachmentAdded
from kith.events.catalogue import versions_of
from kith.events.consents import ConsentChanged
from kith.events.contacts import ContactCreated, CustomerCreated, SettingsChanged
from kith.events.custom_fields import FieldDefinitionCreated
from kith.events.deliveries import DeliveryMade
from kith.events.event import Event
from kith.events.exchange_rates import ExchangeRateCreated
from kith.events.exchanges import AdoptionMeasured, TouchpointRecorded, UsageRecorded, WebVisitRecorded
from kith.events.forecast_adjustments import ForecastAdjustmentCreated
from kith.events.goals import GoalSet, MilestoneSet
from kith.events.invoices import InvoiceIssued
from kith.events.leads import LeadCaptured, LeadFormCreated, LeadQueueCreated, LeadScoringChanged
from kith.events.notes import NoteWritten
from kith.events.people import RoleCreated, TeamCreated, UserInvited
from kith.events.pipelines import PipelineCreated
from kith.events.prices import PriceBookCreated, PriceCreated
from kith.events.quotas import QuotaCreated
from kith.events.quotes import QuoteSettingsChanged
from kith.events.reasons import ReasonCreated
from kith.events.sales import (
    OpportunityOpened,
    OrderPlaced,
    OrderReturned,
    ProductCreated,
    QuoteCreated,
    TaskCreated,
)
from kith.events.service_desk import CaseOpened
from kith.events.subscriptions import SubscriptionStarted

Record = Mapping[str, Any]
"""A row of an export, as JSON has it."""

_OF_ALL = ("id", "version", "created_at", "updated_at", "customer_id")
_TURNS = ("closed_at", "resolved_at", "reopened_at", "reopened_count", "visits")
"""When something happened that figures count."""


@dataclass(frozen=True)
class Collection:
    service: str
    name: str
    founded_by: type[Event]
    """The event that creates one, and carries all that holds of it from then on."""
    types: tuple[str, ...]
    one_per_tenant: bool = False

    @cached_property
    def fields(self) -> Mapping[str, msgspec.structs.FieldInfo]:
        """The fields that its events carry, each of which holds until another event changes it."""
        return {each.name: each for each in msgspec.structs.fields(self.founded_by)}

    def kept(self, row: Record) -> dict[str, Any]:
        """What is compared of a row. Nothing else of it is kept, nobody's name above all."""
        wanted = (*_OF_ALL, *_TURNS, *self.fields)
        return {name: row[name] for name in wanted if name in row}


def _of(service: str, name: str, founded_by: type[Event], **more: bool) -> Collection:
    return Collection(service, name, founded_by, types_of(founded_by.noun), **more)


COLLECTIONS = (
    _of("contacts", "settings", SettingsChanged, one_per_tenant=True),
    _of("contacts", "customers", CustomerCreated),
    _of("contacts", "contacts", ContactCreated),
    _of("contacts", "touchpoints", TouchpointRecorded),
    _of("contacts", "usages", UsageRecorded),
    _of("contacts", "adoptions", AdoptionMeasured),
    _of("contacts", "web-visits", WebVisitRecorded),
    _of("contacts", "consents", ConsentChanged),
    _of("contacts", "users", UserInvited),
    _of("contacts", "teams", TeamCreated),
    _of("contacts", "roles", RoleCreated),
    _of("sales", "products", ProductCreated),
    _of("sales", "pipelines", PipelineCreated),
    _of("sales", "reasons", ReasonCreated),
    _of("sales", "opportunities", OpportunityOpened),
    _of("sales", "orders", OrderPlaced),
    _of("sales", "returns", OrderReturned),
    _of("sales", "subscriptions", SubscriptionStarted),
    _of("sales", "tasks", TaskCreated),
    _of("service-desk", "cases", CaseOpened),
    _of("contacts", "field-definitions", FieldDefinitionCreated),
    _of("contacts", "notes", NoteWritten),
    _of("contacts", "attachments", AttachmentAdded),
    _of("sales", "activities", ActivityRecorded),
    _of("sales", "leads", LeadCaptured),
    _of("sales", "quotes", QuoteCreated),
    _of("sales", "lead-forms", LeadFormCreated),
    _of("sales", "lead-queues", LeadQueueCreated),
    _of("sales", "lead-scoring", LeadScoringChanged, one_per_tenant=True),
    _of("sales", "quote-settings", QuoteSettingsChanged, one_per_tenant=True),
    _of("sales", "quotas", QuotaCreated),
    _of("sales", "exchange-rates", ExchangeRateCreated),
    _of("sales", "invoices", InvoiceIssued),
    _of("sales", "deliveries", DeliveryMade),
    _of("sales", "goals", GoalSet),
    _of("sales", "milestones", MilestoneSet),
    _of("sales", "forecast-adjustments", ForecastAdjustmentCreated),
    _of("sales", "price-books", PriceBookCreated),
    _of("sales", "prices", PriceCreated),
)
BY_TYPE = {each: collection for collection in COLLECTIONS for type in collection.types for each in versions_of(type)}


def as_published(row: Record) -> Record:
    """Returns what a tenant has one of in the shape of the event that publishes it: of its settings that is another."""
    if "segment_activity" not in row:
        return row
    segments = {
        each["segment"]: {"event_types": each["event_types"], "window_days": each["window_days"]}
        for each in row["segment_activity"]
    }
    return {**row, "activity": {"default": row["activity"], "segments": segments}}
