"""The tables of service-desk. Their columns and the aggregates' fields have the same names."""

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Text, Uuid

from kith.consumer import consumer_tables
from kith.db.tables import Moment, aggregate_table, one_of
from kith.nouns.elsewhere import elsewhere_table
from kith.nouns.idempotency import idempotency_table
from kith.outbox.table import outbox_table
from service_desk.cases.rules import CaseChannel, CaseState, Priority

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
offsets, dead_letters = consumer_tables(metadata)
known_contacts = elsewhere_table("known_contacts", metadata)
known_runs = elsewhere_table("known_runs", metadata, Column("playbook_id", Uuid))

cases = aggregate_table(
    "cases",
    metadata,
    Column("contact_id", Uuid),
    Column("subject", Text, nullable=False),
    Column("priority", one_of(Priority), nullable=False),
    Column("channel", one_of(CaseChannel), nullable=False),
    Column("category", Text),
    Column("queue", Text),
    Column("assignee", Text),
    Column("state", one_of(CaseState), nullable=False),
    Column("pending_reason", Text),
    Column("first_responded_at", Moment),
    Column("reopened_at", Moment),
    Column("reopened_count", Integer, nullable=False),
    Column("resolved_at", Moment),
    Column("closed_at", Moment),
    Column("sla_met", Boolean),
    Column("resolution_code", Text),
    Column("explanation", Text),
    Column("playbook_id", Uuid),
    Column("run_id", Uuid),
    customer_owned=True,
)
Index("cases_by_run", cases.c.tenant_id, cases.c.run_id, postgresql_where=cases.c.run_id.is_not(None))
