"""health jobs"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health_jobs",
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
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("health_jobs_by_time", "health_jobs", ["tenant_id", "requested_at", "id"], unique=False)
    op.create_index(
        "health_jobs_open",
        "health_jobs",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('requested', 'running')"),
    )
    op.execute("ALTER TABLE health_jobs ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE health_jobs FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON health_jobs TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON health_jobs TO kith_worker USING (true) WITH CHECK (true)")
    # A request may ask for one and call it off; what came of it, a worker alone says.
    op.execute("GRANT SELECT, INSERT ON health_jobs TO kith_app")
    op.execute("GRANT UPDATE (state, finished_at, leased_until) ON health_jobs TO kith_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON health_jobs TO kith_worker")
