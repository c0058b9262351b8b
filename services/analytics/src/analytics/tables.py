"""The tables of analytics: the ledger, and what is folded from it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from analytics.health.model.rules import Document, HealthModelState
from analytics.playbooks.rules import Document as PlaybookDocument
from analytics.playbooks.rules import PlaybookState
from kith.consumer import consumer_tables
from kith.db.tables import Moment, Structured, TenantId, Xid8, aggregate_table, one_of, reference, tenant_column
from kith.nouns.idempotency import idempotency_table
from kith.outbox.table import outbox_table

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
offsets, dead_letters = consumer_tables(metadata)

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
    Column("arrived", Xid8, server_default=func.pg_current_xact_id(), comment="null: before there were arrivals"),
    postgresql_partition_by="RANGE (id)",
)
Index("ledger_by_customer", ledger.c.tenant_id, ledger.c.customer_id, ledger.c.time, ledger.c.id)

# That something came for a tenant, a row per fold: who watches learns it without looking for it in the ledger. Kept for
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
)
Index("arrivals_by_tenant", arrivals.c.tenant_id, arrivals.c.arrived)

# Of which cluster the ids of transactions are that stand in `arrived`; one row (see ledger.epoch).
live_epoch = Table(
    "live_epoch",
    metadata,
    Column("epoch", Uuid, primary_key=True),
    Column("system_identifier", Text, nullable=False),
)

# Read models: all that follows can be made again from the ledger (see projections.rebuild).

# Each event with how its aggregate stood after it (see projections.facts).
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
    # With `ends_at` in it the index alone answers who was active when.
    PrimaryKeyConstraint("tenant_id", "rule", "customer_id", "starts_at", postgresql_include=["ends_at"]),
)

# Who a merged customer is now. `into` is what the merge said, `survivor` where a chain of merges ends.
merged_customers = Table(
    "merged_customers",
    metadata,
    tenant_column(),
    Column("customer_id", Uuid, primary_key=True),
    Column("into", Uuid, comment="null: it was separated again"),
    Column("survivor", Uuid, nullable=False),
    Column("version", Integer, nullable=False, comment="of the customer, at that merge or unmerge"),
)

# The rules whose spans are kept. One without `ready_at` is being computed: it is folded, and not asked yet.
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
)

# Facts of a day (UTC) added up by the hour, so that a year of them need not be read one by one. A total counts only
# while its day is settled and not stale; of the other days the facts themselves are read (see metrics.rollup_reads).
totals = Table(
    "totals",
    metadata,
    tenant_column(),
    Column("hour", Moment, primary_key=True),
    Column("type", Text(collation="C"), primary_key=True),
    Column("key", JSONB, primary_key=True, comment="the fields that definitions look at in this type"),
    Column("facts", BigInteger, nullable=False),
    Column("amount", Numeric(24, 4)),
)
settled_days = Table(
    "settled_days",
    metadata,
    tenant_column(),
    Column("day", Date, primary_key=True),
    Column("shape", Text(collation="C"), nullable=False, comment="by which fields of which types it was added up"),
)
# A row per batch that touched the day, so that no batch waits for another.
stale_days = Table(
    "stale_days",
    metadata,
    tenant_column(),
    Column("day", Date, primary_key=True),
    Column("batch", Uuid, primary_key=True),
)

# Events that were folded while a rebuild went on: it folds them into what it makes (see projections.shadow).
rebuild_pending = Table(
    "rebuild_pending",
    metadata,
    tenant_column(),
    Column("event_id", Uuid, primary_key=True),
)

# The parameters of a tenant's lifetime models (see customer_value.fits). Made of the ledger, and of when
# somebody asked.
value_fits = Table(
    "value_fits",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("model", Text(collation="C"), nullable=False),
    Column("currency", Text(collation="C")),
    Column("fitted_at", Moment, nullable=False),
    Column("data_until", Moment, nullable=False),
    Column("checked_until", Moment, nullable=False, comment="it still described what had happened before"),
    Column("parameters", JSONB, nullable=False),
    Column("standard_errors", JSONB, nullable=False),
    Column("log_likelihood", Double, nullable=False),
    Column("customers", Integer, nullable=False),
    Column("time_unit", Text(collation="C"), nullable=False),
)

# How far each service's events are on the bus; of no tenant (see kith.outbox.relay.Watermark).
watermarks = Table(
    "watermarks",
    metadata,
    Column("source", Text(collation="C"), primary_key=True),
    Column("up_to", Moment, primary_key=True),
    Column("ends", ARRAY(BigInteger), nullable=False),
)

# Comparisons of what the services hold with what analytics has counted (see reconciliation.runs).
reconciliations = Table(
    "reconciliations",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("state", Text(collation="C"), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("requested_by", Text, comment="null: it was due"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("reason", Text, comment="why it failed"),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer),
    Column("mismatches", BigInteger),
    Column("report", JSONB),
)
Index("reconciliations_by_time", reconciliations.c.tenant_id, reconciliations.c.requested_at, reconciliations.c.id)
Index(
    "reconciliations_open",
    reconciliations.c.requested_at,
    postgresql_where=reconciliations.c.state.in_(["requested", "running"]),
)

# How each relationship stands, as it was last scored, and when time alone will change its band (see
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
)
Index("health_scores_due", health_scores.c.due_at)
Index("health_scores_by_band", *(health_scores.c[n] for n in ("tenant_id", "band", "band_since", "customer_id")))
Index("health_scores_upcoming", health_scores.c.tenant_id, health_scores.c.due_at)
# Customers of whom something came in, and must be scored again. Inserted only: no fold waits for a score.
health_queue = Table(
    "health_queue",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", TenantId, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("event_id", Uuid, comment="what came in; null: nothing did, its facts were changed"),
    Column("traceparent", Text),
)
Index("health_queue_by_tenant", health_queue.c.tenant_id, health_queue.c.seq)
# Tenants whose customers are all to be scored again: a model was published or retired, or the facts were made anew.
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
)
# Who cannot be scored, and why. It is tried again when something happens to it, or the models change.
health_set_aside = Table(
    "health_set_aside",
    metadata,
    tenant_column(),
    Column("customer_id", Uuid, primary_key=True),
    Column("since", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("reason", Text, nullable=False),
    Column("model", Text(collation="C"), comment="whose fault it is; null: it is the customer's facts'"),
    Column("model_version", Integer),
)
Index("health_set_aside_by_time", *(health_set_aside.c[name] for name in ("tenant_id", "since", "customer_id")))
# Every change of a band as it was published. What was true at an instant is computed from the facts instead.
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

# What takes minutes to find out of everybody's health, asked for and done in the background (see jobs.runner).
health_jobs = Table(
    "health_jobs",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text(collation="C"), nullable=False),
    Column("params", JSONB, nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("leased_until", Moment, comment="whoever runs it says so again before; if not, it is begun again"),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("reason", Text, comment="why it failed"),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger),
    Column("report", JSONB),
)
Index("health_jobs_by_time", health_jobs.c.tenant_id, health_jobs.c.requested_at, health_jobs.c.id)
Index(
    "health_jobs_open",
    health_jobs.c.requested_at,
    postgresql_where=health_jobs.c.state.in_(["requested", "running"]),
)

# The nouns of its own. What happens to them is told like all else, and comes back into the ledger.
health_models = aggregate_table(
    "health_models",
    metadata,
    Column("title", Text, nullable=False),
    Column("state", one_of(HealthModelState), nullable=False),
    Column("draft_document", Structured(Document | None)),
    Column("published_document", Structured(Document | None)),
    Column("number", Integer, nullable=False),
    Column("published_at", Moment),
)
signals = aggregate_table(
    "signals",
    metadata,
    Column("code", TenantId, nullable=False),
    Column("title", Text, nullable=False),
    Column("unit", Text),
    Column("description", Text),
)
Index("signals_by_code", signals.c.tenant_id, signals.c.code, unique=True)
readings = aggregate_table(
    "readings",
    metadata,
    *reference("signal_id", signals),
    Column("value", Double, nullable=False),
    customer_owned=True,
)
readings.c.signal_id.nullable = readings.c.customer_id.nullable = False
pulses = aggregate_table(
    "pulses",
    metadata,
    Column("score", Integer, nullable=False),
    Column("note", Text),
    Column("expires_at", Moment, nullable=False),
    customer_owned=True,
)
pulses.c.customer_id.nullable = False

playbooks = aggregate_table(
    "playbooks",
    metadata,
    Column("title", Text, nullable=False),
    Column("document", Structured(PlaybookDocument), nullable=False),
    Column("state", one_of(PlaybookState), nullable=False),
    Column("fires", Boolean, nullable=False),
    Column("fires_not", Text),
    Column("started_at", Moment),
    Column("stopped_at", Moment),
)
# What playbooks did, each for one customer (see playbooks.runs).
playbook_runs = Table(
    "playbook_runs",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    *reference("playbook_id", playbooks),
    Column("playbook_version", Integer, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("at", Moment, nullable=False, comment="of what set it off"),
    Column("recorded_at", Moment, nullable=False),
    Column("trigger", JSONB, nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("is_control", Boolean, nullable=False),
    Column("reason", Text, comment="why it was suppressed"),
    Column("actions", JSONB, nullable=False),
    Column("trace_id", Text(collation="C")),
    Column("outcome", JSONB(none_as_null=True), comment="what counts as success"),
    Column("settles_at", Moment),
    Column("settled_at", Moment),
    Column("succeeded", Boolean),
    Column("evidence_id", Uuid, comment="the event, or the change of health, that shows it"),
)
playbook_runs.c.playbook_id.nullable = False
Index("playbook_runs_by_playbook", *(playbook_runs.c[name] for name in ("tenant_id", "playbook_id", "at", "id")))
Index("playbook_runs_by_customer", *(playbook_runs.c[name] for name in ("tenant_id", "customer_id", "at", "id")))
Index("playbook_runs_by_time", *(playbook_runs.c[name] for name in ("tenant_id", "at", "id")))
Index(
    "playbook_runs_open",
    playbook_runs.c.settles_at,
    postgresql_where=playbook_runs.c.settled_at.is_(None) & playbook_runs.c.settles_at.is_not(None),
)
# The days whose 00:00 UTC a playbook has looked at everybody for (see playbooks.daily).
playbook_days = Table(
    "playbook_days",
    metadata,
    tenant_column(),
    Column("playbook_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True, comment="at its 00:00 UTC"),
    Column("looked_at", Moment, nullable=False),
    Column("runs", Integer, nullable=False),
    ForeignKeyConstraint(["tenant_id", "playbook_id"], [playbooks.c.tenant_id, playbooks.c.id]),
)
