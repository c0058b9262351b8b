"""The tables of analytics: the ledger, and what is folded from it."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from kith.consumer import consumer_tables
from kith.idempotency import idempotency_table
from kith.outbox import outbox_table
from kith.tables import Moment, tenant_column

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
offsets, dead_letters = consumer_tables(metadata)

# Every event, once. Its key is the dedupe index; partitions are months of the UUIDv7 ids (see storage.partitions).
ledger = Table(
    "ledger",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("type", Text(collation="C"), nullable=False),
    Column("source", Text(collation="C"), nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("aggregate_version", Integer, nullable=False),
    Column("customer_id", Uuid),
    Column("time", Moment, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("data", JSONB, nullable=False),
    postgresql_partition_by="RANGE (id)",
)
Index("ledger_by_customer", ledger.c.tenant_id, ledger.c.customer_id, ledger.c.time, ledger.c.id)
Index("ledger_by_type", ledger.c.tenant_id, ledger.c.type, ledger.c.time, ledger.c.customer_id)

# When customers were active, per definition (see domain.activity).
activity_spans = Table(
    "activity_spans",
    metadata,
    tenant_column(),
    Column("definition", Text(collation="C"), primary_key=True),
    Column("customer_id", Uuid, primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("ends_at", Moment, nullable=False),
)
Index(
    "activity_spans_by_time",
    activity_spans.c.tenant_id,
    activity_spans.c.definition,
    activity_spans.c.ends_at,
    activity_spans.c.starts_at,
    activity_spans.c.customer_id,
)

# How far each service's events are on the bus; of no tenant (see kith.relay.Watermark).
watermarks = Table(
    "watermarks",
    metadata,
    Column("source", Text(collation="C"), primary_key=True),
    Column("up_to", Moment, primary_key=True),
    Column("ends", ARRAY(BigInteger), nullable=False),
)
