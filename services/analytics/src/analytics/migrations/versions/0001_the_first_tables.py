"""the first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activity_spans",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("definition", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "definition", "customer_id", "starts_at"),
    )
    op.create_index(
        "activity_spans_by_time",
        "activity_spans",
        ["tenant_id", "definition", "ends_at", "starts_at", "customer_id"],
        unique=False,
    )
    op.create_table(
        "consumer_offsets",
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_name", "topic", "partition"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("message_key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column(
            "headers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[[name, base64 of the value], ..]",
        ),
        sa.Column("event_id", sa.Uuid(), nullable=True, comment="this and the next three as far as they could be read"),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("subject", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("parked", sa.Boolean(), nullable=False, comment="did not fail itself: waits behind one that did"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was copied to the dead-letter topic",
        ),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("group_name", "topic", "partition", "offset", name="dead_letters_by_message"),
    )
    op.create_index(
        "dead_letters_unpublished",
        "dead_letters",
        ["group_name", "id"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_index(
        "dead_letters_unresolved",
        "dead_letters",
        ["group_name", "id"],
        unique=False,
        postgresql_where=sa.text("replayed_at IS NULL AND discarded_at IS NULL"),
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key"),
    )
    op.create_table(
        "ledger",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("aggregate_version", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ledger_by_customer", "ledger", ["tenant_id", "customer_id", "time", "id"], unique=False)
    op.create_index("ledger_by_type", "ledger", ["tenant_id", "type", "time", "customer_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("aggregate_version", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index(
        "outbox_published",
        "outbox",
        ["published_at"],
        unique=False,
        postgresql_where=sa.text("published_at IS NOT NULL"),
    )
    op.create_index(
        "outbox_unpublished", "outbox", ["seq"], unique=False, postgresql_where=sa.text("published_at IS NULL")
    )
    op.create_table(
        "watermarks",
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("up_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("source", "up_to"),
    )
    op.execute("ALTER TABLE activity_spans ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE activity_spans FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON activity_spans TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON activity_spans TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON activity_spans TO kith_app, kith_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON consumer_offsets TO kith_worker")
    op.execute("ALTER TABLE dead_letters ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE dead_letters FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON dead_letters TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON dead_letters TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letters TO kith_app, kith_worker")
    op.execute("ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE idempotency FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON idempotency TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON idempotency TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO kith_app, kith_worker")
    op.execute("ALTER TABLE ledger ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE ledger FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON ledger TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON ledger TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ledger TO kith_app, kith_worker")
    op.execute("ALTER TABLE outbox ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE outbox FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON outbox TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON outbox TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO kith_app, kith_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON watermarks TO kith_worker")
    # What no month's partition takes; see ledger.partitions for the months.
    op.execute("CREATE TABLE ledger_default PARTITION OF ledger DEFAULT")
    # How fresh the figures are is every tenant's to know, and says nothing of any.
    op.execute("GRANT SELECT ON watermarks, consumer_offsets TO kith_app")
