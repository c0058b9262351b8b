"""timers and reminders"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "timers",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of the record"),
        sa.Column("command", sa.Text(collation="C"), nullable=False),
        sa.Column("noun", sa.Text(collation="C"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it goes off: later than due where it has failed",
        ),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "command"),
    )
    op.create_index("timers_by_tenant", "timers", ["tenant_id", "next_at"], unique=False)
    op.create_index("timers_by_time", "timers", ["next_at"], unique=False)
    op.add_column("tasks", sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("ALTER TABLE timers ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE timers FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON timers TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON timers TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON timers TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON timers AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
