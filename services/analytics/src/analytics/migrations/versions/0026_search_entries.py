"""search entries"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_entries",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of the record"),
        sa.Column("field", sa.Text(collation="C"), nullable=False, comment="of its noun: contact.emails.address"),
        sa.Column("token", sa.Text(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="when the record was created"),
        sa.PrimaryKeyConstraint("tenant_id", "id", "field", "token"),
    )
    op.create_index(
        "search_entries_by_token",
        "search_entries",
        ["tenant_id", "field", "token", sa.literal_column("at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "side_table_fills",
        sa.Column(
            "name", sa.Text(), nullable=False, comment="of the side table, the noun, and the version of its rows"
        ),
        sa.Column(
            "last_tenant",
            sa.Text(collation="C"),
            nullable=True,
            comment="with the next one: the record that it has come to",
        ),
        sa.Column("last_id", sa.Uuid(), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.execute("ALTER TABLE search_entries ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE search_entries FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON search_entries TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON search_entries TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON search_entries TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON search_entries AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON side_table_fills TO kith_worker")
