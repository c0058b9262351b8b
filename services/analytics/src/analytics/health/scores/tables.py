"""The tables of scores, and of what is to be scored again."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from analytics.tables import metadata
from kith.db.tables import DERIVED, Moment, TenantId, Xid8, tenant_column

# The score of each relationship, as of the last scoring, and when time alone will change its band (see
# health.scores.rescoring).
health_scores = Table(
    "health_scores",
    metadata,
    tenant_column(),
    Column("customer_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False, comment="one more with each change of the band"),
    Column("model", Text(collation="C"), comment="null: no model is for it"),
    Column("model_version", Integer),
    Column("score", Double, comment="null: nothing is known of it"),
    Column("band", Text(collation="C")),
    Column("coverage", Double, nullable=False),
    Column("scored_at", Moment, nullable=False),
    Column("band_since", Moment, nullable=False),
    Column("due_at", Moment, comment="when it must be scored again, if nothing happens until then"),
    Column(
        "due_band", Text(collation="C"), comment="the band it will come into then; null: it will only be looked again"
    ),
    info={DERIVED: "computed from facts; changes of a band are in health_changes"},
)
Index("health_scores_due", health_scores.c.due_at)
Index("health_scores_by_band", *(health_scores.c[n] for n in ("tenant_id", "band", "band_since", "customer_id")))
Index("health_scores_upcoming", health_scores.c.tenant_id, health_scores.c.due_at)

# Customers whose facts changed and that must be scored again. Inserted only: no fold waits for a score.
health_queue = Table(
    "health_queue",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", TenantId, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("event_id", Uuid, comment="what came in; null: nothing did, its facts were changed"),
    Column("traceparent", Text),
    info={DERIVED: "customers to be scored"},
)
Index("health_queue_by_tenant", health_queue.c.tenant_id, health_queue.c.seq)

# Tenants whose customers must all be scored again: a model was published or retired, or the facts were recomputed.
health_rescorings = Table(
    "health_rescorings",
    metadata,
    tenant_column(),
    Column("requested_at", Moment, nullable=False),
    Column("traceparent", Text),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger),
    Column("done_to", Uuid, comment="the customers up to this one are done"),
    Column("finished_at", Moment),
    info={DERIVED: "how far a rescoring has come"},
)

# The customers that cannot be scored, and why. They are retried when an event arrives, or the models change.
health_set_aside = Table(
    "health_set_aside",
    metadata,
    tenant_column(),
    Column("customer_id", Uuid, primary_key=True),
    Column("since", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("reason", Text, nullable=False),
    Column("model", Text(collation="C"), comment="whose fault it is; null: it is the customer's facts'"),
    Column("model_version", Integer),
    info={DERIVED: "customers that could not be scored"},
)
Index("health_set_aside_by_time", *(health_set_aside.c[name] for name in ("tenant_id", "since", "customer_id")))

# Every change of a band as it was published. A band at an instant is computed from the facts instead.
health_changes = Table(
    "health_changes",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True, comment="of the event that tells of it"),
    Column("customer_id", Uuid, nullable=False),
    Column("at", Moment, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("cause", Text(collation="C"), nullable=False),
    Column("model", Text(collation="C")),
    Column("model_version", Integer),
    Column("from_band", Text(collation="C")),
    Column("band", Text(collation="C")),
    Column("score", Double),
    Column("coverage", Double, nullable=False),
    Column("drivers", JSONB, nullable=False),
    Column("trace_id", Text(collation="C")),
    Column("arrived", Xid8, nullable=False, server_default=func.pg_current_xact_id()),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
)
Index("health_changes_by_arrival", health_changes.c.tenant_id, health_changes.c.arrived, health_changes.c.seq)
Index("health_changes_by_customer", health_changes.c.tenant_id, health_changes.c.customer_id, health_changes.c.at)
