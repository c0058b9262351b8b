"""facts rules and totals"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
oldest_code = "0002"


def upgrade() -> None:
    op.create_table(
        "activity_rules",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("rule", sa.Text(collation="C"), nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False, comment="customers computed"),
        sa.Column("total", sa.BigInteger(), nullable=True, comment="customers to compute"),
        sa.Column("computed_to", sa.Uuid(), nullable=True, comment="the customers up to this one are done"),
        sa.PrimaryKeyConstraint("tenant_id", "rule"),
    )
    op.create_table(
        "facts",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its next event happened; null: it still stands so",
        ),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True, comment="after merges"),
        sa.Column(
            "origin_id", sa.Uuid(), nullable=True, comment="the customer it was published of, where that one was merged"
        ),
        sa.Column("amount", sa.Numeric(precision=20, scale=4), nullable=True),
        sa.Column("currency", sa.Text(collation="C"), nullable=True),
        sa.Column("phase", sa.Text(collation="C"), nullable=True),
        sa.Column("phase_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clock_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "version"),
    )
    op.create_index("facts_by_customer", "facts", ["tenant_id", "customer_id", "type", "time"], unique=False)
    op.create_index("facts_by_type", "facts", ["tenant_id", "type", "time"], unique=False)
    op.create_table(
        "merged_customers",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("into", sa.Uuid(), nullable=True, comment="null: it was separated again"),
        sa.Column("survivor", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the customer, at that merge or unmerge"),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id"),
    )
    op.create_table(
        "settled_days",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "shape", sa.Text(collation="C"), nullable=False, comment="by which fields of which types it was added up"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "day"),
    )
    op.create_table(
        "stale_days",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("batch", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "batch"),
    )
    op.create_table(
        "totals",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "key",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the fields that definitions look at in this type",
        ),
        sa.Column("facts", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=24, scale=4), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "hour", "type", "key"),
    )
    # Spans are kept by rule now, and made from the facts: `python -m analytics rebuild` fills both from the ledger.
    op.drop_table("activity_spans")
    op.create_table(
        "activity_spans",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("rule", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "rule", "customer_id", "starts_at", postgresql_include=["ends_at"]),
    )
    op.execute("ALTER TABLE activity_spans ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE activity_spans FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON activity_spans TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON activity_spans TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON activity_spans TO kith_app, kith_worker")
    op.drop_index(op.f("ledger_by_type"), table_name="ledger")
    op.execute("ALTER TABLE activity_rules ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE activity_rules FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON activity_rules TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON activity_rules TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON activity_rules TO kith_app, kith_worker")
    op.execute("ALTER TABLE facts ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE facts FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON facts TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON facts TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON facts TO kith_app, kith_worker")
    op.execute("ALTER TABLE merged_customers ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE merged_customers FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON merged_customers TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON merged_customers TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON merged_customers TO kith_app, kith_worker")
    op.execute("ALTER TABLE settled_days ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE settled_days FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON settled_days TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON settled_days TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON settled_days TO kith_app, kith_worker")
    op.execute("ALTER TABLE stale_days ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE stale_days FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON stale_days TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON stale_days TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON stale_days TO kith_app, kith_worker")
    op.execute("ALTER TABLE totals ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE totals FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON totals TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON totals TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON totals TO kith_app, kith_worker")
