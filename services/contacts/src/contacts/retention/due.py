"""What a rule of retention erases."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, and_, exists, func, or_, select

from contacts.attachments.form import ATTACHMENTS, attachments
from contacts.consents.form import consents
from contacts.contacts.form import CONTACTS, contacts
from contacts.customers.form import CUSTOMERS, customers
from contacts.notes.form import NOTES, notes
from contacts.touchpoints.form import touchpoints
from contacts.usages.form import usages
from contacts.values import LEAST_DAYS, RetentionNoun, RetentionRule, RetentionSince
from contacts.web_visits.form import web_visits
from kith.nouns.resource import Resource

_CONTACT_IS_USED_BY = (
    touchpoints.c.created_at,
    web_visits.c.created_at,
    usages.c.created_at,
    notes.c.updated_at,
    attachments.c.updated_at,
    consents.c.updated_at,
)


ERASED: Mapping[RetentionNoun, Resource] = {
    RetentionNoun.CUSTOMER: CUSTOMERS,
    RetentionNoun.CONTACT: CONTACTS,
    RetentionNoun.NOTE: NOTES,
    RetentionNoun.ATTACHMENT: ATTACHMENTS,
}
"""The nouns of which rules erase records."""


def is_due(rule: RetentionRule, now: datetime) -> tuple[Table, ColumnElement[bool]]:
    """Returns the table, and the condition of its rows that the rule erases now."""
    table, before = ERASED[rule.of].table, now - timedelta(days=rule.days)
    of = customers if table is customers else customers.alias("of_customer")
    own = and_(of.c.tenant_id == table.c.tenant_id, of.c.id == table.c.customer_id) if of is not customers else None

    def of_customer(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        return condition if own is None else exists(select(of.c.id).where(own, condition))

    # Whatever time was told: what came in, or was put away, just now is not erased by the next pass.
    recorded = now - timedelta(days=LEAST_DAYS)
    if rule.since is RetentionSince.ARCHIVED:
        # Of the two the one that was archived first.
        own_one = and_(table.c.archived_at < before, table.c.recorded_at < recorded)
        its_customer = of_customer(and_(of.c.archived_at < before, of.c.recorded_at < recorded))
        if table is contacts:  # who has a role at another customer as well is not gone with this one
            its_customer = and_(func.jsonb_array_length(contacts.c.roles) <= 1, its_customer)
        it = or_(own_one, its_customer)
    else:
        it = and_(
            table.c.updated_at < before,
            table.c.recorded_at < recorded,
            *(_not_used(table, each, before) for each in _used_by(rule.of)),
        )
    if rule.stages:
        it = and_(it, of_customer(of.c.stage.in_(rule.stages)))
    if "merged_into" in table.c:
        # What was recorded of it names the one that remains, and it is erased with that one.
        it = and_(table.c.merged_into.is_(None), it)
    return table, and_(table.c.erased_at.is_(None), it)


def next_ones(rule: RetentionRule, tenant: str, now: datetime, after: UUID | None, most: int) -> Select[Any]:
    """Selects the next records in the order of their ids, each with whether it is due."""
    table, due = is_due(rule, now)
    rows = select(table.c.id, due.label("due")).where(table.c.tenant_id == tenant)
    if after is not None:
        rows = rows.where(table.c.id > after)
    return rows.order_by(table.c.id).limit(most)


def _used_by(noun: RetentionNoun) -> tuple[Any, ...]:
    return _CONTACT_IS_USED_BY if noun is RetentionNoun.CONTACT else ()


def _not_used(table: Table, at: Any, before: datetime) -> ColumnElement[bool]:
    c = at.table.c
    names = and_(c.tenant_id == table.c.tenant_id, c.contact_id == table.c.id)
    return ~exists(select(func.now()).where(names, at >= before))
