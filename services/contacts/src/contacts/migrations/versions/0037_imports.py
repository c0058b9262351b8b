"""imports"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_faults",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("field", sa.TEXT(), nullable=True),
        sa.Column("reason", sa.TEXT(), nullable=False),
        sa.Column("record", sa.TEXT(), nullable=False, comment="as it was sent"),
        sa.PrimaryKeyConstraint("tenant_id", "import_id", "row"),
    )
    op.create_table(
        "import_pieces",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_row", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=False, comment="as they were sent, compressed"),
        sa.Column("written_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "upload_id", "position"),
    )
    op.create_index("import_pieces_by_time", "import_pieces", ["written_at"], unique=False)
    op.create_table(
        "imports",
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
    op.create_index("imports_by_time", "imports", ["tenant_id", "requested_at", "id"], unique=False)
    op.create_index(
        "imports_open",
        "imports",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('requested', 'running')"),
    )
    op.execute("ALTER TABLE import_faults ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE import_faults FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON import_faults TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON import_faults TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON import_faults TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON import_faults AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE import_pieces ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE import_pieces FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON import_pieces TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON import_pieces TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON import_pieces TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON import_pieces AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE imports ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE imports FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON imports TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON imports TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON imports TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON imports AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
