"""The tables of contacts. Their columns and the aggregates' fields have the same names."""

from sqlalchemy import ARRAY, Boolean, Column, ForeignKeyConstraint, Integer, MetaData, Table, Text, Uuid

from contacts.customers.rules import CustomerKind
from contacts.tenant_settings.rules import ActivityRule, SegmentActivity
from contacts.touchpoints.rules import Channel, Direction
from kith.consumer import consumer_tables
from kith.db.tables import Structured, aggregate_table, one_of, reference
from kith.nouns.idempotency import idempotency_table
from kith.outbox.table import outbox_table

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
offsets, dead_letters = consumer_tables(metadata)

customers = aggregate_table(
    "customers",
    metadata,
    Column("kind", one_of(CustomerKind), nullable=False),
    Column("name", Text, nullable=False),
    Column("country", Text),
    Column("segment", Text),
    Column("tier", Text),
    Column("source", Text),
    Column("owner", Text),
    Column("tags", ARRAY(Text), nullable=False),
    # By name: the table it refers to is this one.
    Column("referred_by", Uuid),
    ForeignKeyConstraint(["tenant_id", "referred_by"], ["customers.tenant_id", "customers.id"]),
)


def _of_known_customer(table: Table) -> Table:
    """Customers live here, so here (and in no other service) a dealing must name one that exists."""
    table.c.customer_id.nullable = False
    table.append_constraint(ForeignKeyConstraint(["tenant_id", "customer_id"], [customers.c.tenant_id, customers.c.id]))
    return table


contacts = _of_known_customer(
    aggregate_table(
        "contacts",
        metadata,
        Column("name", Text, nullable=False),
        Column("email", Text),
        Column("phone", Text),
        Column("role", Text),
        customer_owned=True,
    )
)

touchpoints = _of_known_customer(
    aggregate_table(
        "touchpoints",
        metadata,
        *reference("contact_id", contacts),
        Column("channel", one_of(Channel), nullable=False),
        Column("direction", one_of(Direction), nullable=False),
        Column("outcome", Text),
        Column("duration_seconds", Integer),
        Column("attempts", Integer, nullable=False),
        Column("campaign", Text),
        Column("responded", Boolean),
        customer_owned=True,
    )
)

settings = aggregate_table(
    "settings",
    metadata,
    Column("time_zone", Text, nullable=False),
    Column("currency", Text),
    Column("activity", Structured(ActivityRule), nullable=False),
    Column("segment_activity", Structured(list[SegmentActivity]), nullable=False),
)
