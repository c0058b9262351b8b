"""reconciliations"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=True, comment="null: it was due"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it failed"),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("mismatches", sa.BigInteger(), nullable=True),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("reconciliations_by_time", "reconciliations", ["tenant_id", "requested_at", "id"], unique=False)
    op.create_index(
        "reconciliations_open",
        "reconciliations",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('requested', 'running')"),
    )
    op.execute("ALTER TABLE reconciliations ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE reconciliations FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON reconciliations TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON reconciliations TO kith_worker USING (true) WITH CHECK (true)")
    # A request may ask for one; what came of it, a worker alone says.
    op.execute("GRANT SELECT, INSERT ON reconciliations TO kith_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON reconciliations TO kith_worker")
