"""processes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False, comment="the record that it is about"),
        sa.Column("params", postgresql.JSONB(), nullable=False, comment="what was asked for"),
        sa.Column(
            "held", postgresql.JSONB(), nullable=True, comment="the same as far as it names people; null: it has ended"
        ),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column(
            "made",
            postgresql.JSONB(),
            nullable=False,
            comment="by step, the record that it has made; null: none was needed",
        ),
        sa.Column("left", postgresql.JSONB(), nullable=True, comment="what was made when it was abandoned"),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False, comment="in a row"),
        sa.Column("reason", sa.Text(), nullable=True, comment="of the last failure, or of undoing it"),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=True,
            comment="when it goes on, or, while it is in hand, may be taken away; null: it has ended",
        ),
        sa.Column("in_hand", sa.Boolean(), server_default="false", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("processes_by_time", "processes", ["tenant_id", "requested_at", "id"], unique=False)
    op.create_index(
        "processes_due",
        "processes",
        ["tenant_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.add_column("leads", sa.Column("conversion_id", sa.Uuid(), nullable=True))
    op.add_column("leads", sa.Column("converted_by", sa.TEXT(), nullable=True))
    op.add_column(
        "leads",
        sa.Column(
            "state_before",
            sa.Enum(
                "new",
                "working",
                "nurturing",
                "qualified",
                "unqualified",
                "converting",
                "converted",
                name="leadstate",
                native_enum=False,
                length=64,
            ),
            nullable=True,
        ),
    )
    op.add_column("leads", sa.Column("converted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("leads", sa.Column("contact_id", sa.Uuid(), nullable=True))
    op.add_column("leads", sa.Column("opportunity_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        None, "leads", "opportunities", ["tenant_id", "opportunity_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.execute("ALTER TABLE processes ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE processes FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON processes TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON processes TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON processes TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON processes AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
