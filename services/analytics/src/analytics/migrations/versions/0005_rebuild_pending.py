"""rebuild pending, and temporary tables for who asks what was known"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rebuild_pending",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "event_id"),
    )
    op.execute("ALTER TABLE rebuild_pending ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE rebuild_pending FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON rebuild_pending TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON rebuild_pending TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON rebuild_pending TO kith_app, kith_worker")
    # Everybody may by default. Where that was taken away, who asks what was known needs it.
    op.execute("""
        DO $$ BEGIN
            IF NOT has_database_privilege('kith_app', current_database(), 'TEMPORARY') THEN
                EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO kith_app', current_database());
            END IF;
        END $$
    """)
