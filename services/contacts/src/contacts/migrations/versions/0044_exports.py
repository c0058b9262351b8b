"""exports"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "export_pieces",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_byte", sa.BigInteger(), nullable=False, comment="of the content, where this piece begins"),
        sa.Column("first_id", sa.Uuid(), nullable=True, comment="of the first record; null: it has none"),
        sa.Column("last_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="compressed"),
        sa.PrimaryKeyConstraint("tenant_id", "export_id", "position"),
    )
    op.create_table(
        "exports",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "leased_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="whoever runs it says so again before; if not, it is begun again",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it failed"),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "checkpoint",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="where it goes on; null: it begins anew",
        ),
        sa.Column(
            "served_at", sa.DateTime(timezone=True), nullable=True, comment="when it was taken last: tenants take turns"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("exports_by_time", "exports", ["tenant_id", "requested_at", "id"], unique=False)
    op.create_index(
        "exports_open",
        "exports",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('requested', 'running')"),
    )
    op.execute("ALTER TABLE export_pieces ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE export_pieces FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON export_pieces TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON export_pieces TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON export_pieces TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON export_pieces AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE exports ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE exports FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON exports TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON exports TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON exports TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON exports AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
