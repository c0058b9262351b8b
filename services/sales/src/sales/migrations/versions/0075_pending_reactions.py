"""pending reactions"""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_reactions",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("noun", sa.Text(collation="C"), nullable=False),
        sa.Column("command", sa.Text(collation="C"), nullable=False),
        sa.Column("envelope", sa.TEXT(), nullable=False),
        sa.Column(
            "after",
            sa.Uuid(),
            nullable=True,
            comment="the last record that was given it; null: it is the turn of the first",
        ),
        sa.Column("again", sa.Boolean(), nullable=False, comment="it is looked once more, when all were given it"),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "event_id", "noun", "command"),
    )
    op.create_index("pending_reactions_due", "pending_reactions", ["tenant_id", "next_at"], unique=False)
    op.execute("ALTER TABLE pending_reactions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE pending_reactions FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON pending_reactions TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON pending_reactions TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON pending_reactions TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON pending_reactions AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
