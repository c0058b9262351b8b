"""The tables of the ledger."""

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from analytics.tables import metadata
from kith.consumer.positions import watermarks_table
from kith.db.tables import DERIVED, Moment, TenantId, Xid8, tenant_column

# Every event, once. Its key is the dedupe index; partitions are months of the UUIDv7 ids (see ledger.partitions).
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
    Column("actor", Text(collation="C"), comment="null: of before events said who caused them"),
    Column("arrived", Xid8, server_default=func.pg_current_xact_id(), comment="null: before there were arrivals"),
    postgresql_partition_by="RANGE (id)",
)
Index("ledger_by_customer", ledger.c.tenant_id, ledger.c.customer_id, ledger.c.time, ledger.c.id)

# That events of a tenant arrived, a row per fold: subscribers need not search the ledger. Kept for
# an hour (see ledger.arrivals).
arrivals = Table(
    "arrivals",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", TenantId, nullable=False),
    Column("arrived", Xid8, nullable=False, server_default=func.pg_current_xact_id()),
    Column("recorded_at", Moment, nullable=False, server_default=func.now()),
    Column("types", ARRAY(Text(collation="C")), nullable=False),
    Column("customers", ARRAY(Uuid), comment="null: too many to name"),
    info={DERIVED: "for subscribers, of the last hour: the events are in the ledger"},
)
Index("arrivals_by_tenant", arrivals.c.tenant_id, arrivals.c.arrived)

# The cluster that the transaction ids in `arrived` belong to; one row (see ledger.epoch).
live_epoch = Table(
    "live_epoch",
    metadata,
    Column("epoch", Uuid, primary_key=True),
    Column("system_identifier", Text, nullable=False),
)

watermarks = watermarks_table(metadata)

# Events that their service withdrew, as it was restored to before them (see ledger.withdrawals). No figure, timeline or
# rebuild reads them, and the ledger does not take them again.
withdrawn_events = Table(
    "withdrawn_events",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("type", Text(collation="C"), nullable=False),
    Column("source", Text(collation="C"), nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("aggregate_version", Integer, nullable=False),
    Column("customer_id", Uuid),
    Column("withdrawn_at", Moment, nullable=False, comment="when the withdrawal was recorded"),
    Column("time", Moment, comment="this and the next two as the ledger had them; null: it had not come yet"),
    Column("recorded_at", Moment),
    Column("actor", Text(collation="C"), comment="as the ledger had it"),
    Column("data", JSONB),
)
