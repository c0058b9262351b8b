"""The tables of the read models that several features read."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from analytics.tables import metadata
from kith.db.owned import owned_by
from kith.db.tables import DERIVED, Moment, TenantId, tenant_column

# Read models: all that follows can be recomputed from the ledger (see projections.rebuild).

# Each event with the state of its aggregate after it (see projections.facts).
facts = Table(
    "facts",
    metadata,
    tenant_column(),
    Column("subject", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("type", Text(collation="C"), nullable=False),
    Column("time", Moment, nullable=False),
    Column("until", Moment, comment="when its next event happened; null: it still stands so"),
    Column("event_id", Uuid, nullable=False),
    Column("customer_id", Uuid, comment="after merges"),
    Column("origin_id", Uuid, comment="the customer it was published of, where that one was merged"),
    Column("amount", Numeric(20, 4)),
    Column("currency", Text(collation="C")),
    Column("phase", Text(collation="C")),
    Column("phase_since", Moment),
    Column("clock_since", Moment, nullable=False),
    Column("state", JSONB, nullable=False),
    info={DERIVED: "folded from the ledger"},
)
Index("facts_by_type", facts.c.tenant_id, facts.c.type, facts.c.time)
Index("facts_by_customer", facts.c.tenant_id, facts.c.customer_id, facts.c.type, facts.c.time)

# When customers were active, per rule (see projections.activity).
activity_spans = Table(
    "activity_spans",
    metadata,
    Column("tenant_id", TenantId, nullable=False),
    Column("rule", Text(collation="C"), nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    # With `ends_at` in it the index alone tells who was active when.
    PrimaryKeyConstraint("tenant_id", "rule", "customer_id", "starts_at", postgresql_include=["ends_at"]),
    info={DERIVED: "folded from the ledger"},
)

# The merged customers. `into` is the target of the merge event, `survivor` the end of the chain of merges.
merged_customers = Table(
    "merged_customers",
    metadata,
    tenant_column(),
    Column("customer_id", Uuid, primary_key=True),
    Column("into", Uuid, comment="null: it was separated again"),
    Column("survivor", Uuid, nullable=False),
    Column("version", Integer, nullable=False, comment="of the customer, at that merge or unmerge"),
    info={DERIVED: "folded from the ledger"},
)

Index("merged_customers_by_survivor", merged_customers.c.tenant_id, merged_customers.c.survivor)

# Whose each customer is now, by its record (see projections.owners). Without a row it is nobody's, or was merged.
customer_owners = owned_by(
    Table(
        "customer_owners",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("owner_id", Uuid, nullable=False),
        info={DERIVED: "folded from the ledger"},
    ),
    "owner_id",
)
Index("customer_owners_by_owner", *(customer_owners.c[name] for name in ("tenant_id", "owner_id", "id")))

# The rules whose spans are kept. One without `ready_at` is being computed: it is folded, and not queried yet.
activity_rules = Table(
    "activity_rules",
    metadata,
    tenant_column(),
    Column("rule", Text(collation="C"), primary_key=True),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("window_days", Integer, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("ready_at", Moment),
    Column("done", BigInteger, nullable=False, server_default="0", comment="customers computed"),
    Column("total", BigInteger, comment="customers to compute"),
    Column("computed_to", Uuid, comment="the customers up to this one are done"),
    info={DERIVED: "how far the spans of a definition are computed"},
)

# Events that were folded while a rebuild went on: it folds them into what it makes (see projections.shadow).
rebuild_pending = Table(
    "rebuild_pending",
    metadata,
    tenant_column(),
    Column("event_id", Uuid, primary_key=True),
    info={DERIVED: "work of a rebuild that runs"},
)
