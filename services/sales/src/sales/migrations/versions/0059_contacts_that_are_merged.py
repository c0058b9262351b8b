"""contacts that are merged"""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_contacts",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "merged_into", sa.Uuid(), nullable=True, comment="the contact that remains; null: it stands for itself"
        ),
        sa.Column(
            "told_merged_into",
            sa.Uuid(),
            nullable=True,
            comment="the contact that it was merged into, where that was merged again",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("known_contacts_by_merged_into", "known_contacts", ["tenant_id", "merged_into"], unique=False)
    op.create_table(
        "refused_reactions",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.TEXT(), nullable=False),
        sa.Column("noun", sa.TEXT(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("command", sa.TEXT(), nullable=False),
        sa.Column("code", sa.TEXT(), nullable=False),
        sa.Column("reason", sa.TEXT(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("refused_reactions_by_time", "refused_reactions", ["tenant_id", "refused_at", "id"], unique=False)
    op.add_column(
        "activities",
        sa.Column(
            "told_contact_id", sa.Uuid(), nullable=True, comment="the id that was told, where that contact is merged"
        ),
    )
    op.add_column(
        "leads",
        sa.Column(
            "told_contact_id", sa.Uuid(), nullable=True, comment="the id that was told, where that contact is merged"
        ),
    )
    op.execute("ALTER TABLE known_contacts ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE known_contacts FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON known_contacts TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON known_contacts TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON known_contacts TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON known_contacts AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE refused_reactions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE refused_reactions FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON refused_reactions TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON refused_reactions TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON refused_reactions TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON refused_reactions AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
