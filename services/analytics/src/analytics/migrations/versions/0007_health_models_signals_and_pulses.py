"""health models signals and pulses"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health_models",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("draft_document", postgresql.JSONB(), nullable=True),
        sa.Column("published_document", postgresql.JSONB(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("health_models_by_external_id", "health_models", ["tenant_id", "external_id"], unique=True)
    op.create_index("health_models_by_time", "health_models", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "signals",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("signals_by_external_id", "signals", ["tenant_id", "external_id"], unique=True)
    op.create_index("signals_by_time", "signals", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index("signals_by_code", "signals", ["tenant_id", "code"], unique=True)
    op.create_table(
        "readings",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "signal_id"], ["signals.tenant_id", "signals.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("readings_by_external_id", "readings", ["tenant_id", "external_id"], unique=True)
    op.create_index("readings_by_time", "readings", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index("readings_by_customer", "readings", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.create_table(
        "pulses",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("pulses_by_external_id", "pulses", ["tenant_id", "external_id"], unique=True)
    op.create_index("pulses_by_time", "pulses", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index("pulses_by_customer", "pulses", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.execute("ALTER TABLE health_models ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE health_models FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON health_models TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON health_models TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON health_models TO kith_app, kith_worker")
    op.execute("ALTER TABLE signals ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE signals FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON signals TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON signals TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON signals TO kith_app, kith_worker")
    op.execute("ALTER TABLE readings ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE readings FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON readings TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON readings TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON readings TO kith_app, kith_worker")
    op.execute("ALTER TABLE pulses ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE pulses FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON pulses TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON pulses TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON pulses TO kith_app, kith_worker")
