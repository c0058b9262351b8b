"""reasons"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reasons",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when its last change was, whenever that happened",
        ),
        sa.Column(
            "kind",
            sa.Enum(
                "opportunity_won",
                "opportunity_lost",
                "quote_declined",
                "lead_disqualified",
                "subscription_cancelled",
                name="reasonkind",
                native_enum=False,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column("code", sa.TEXT(), nullable=False),
        sa.Column("label", sa.TEXT(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "reasons_by_archived_at",
        "reasons",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index(
        "reasons_by_code",
        "reasons",
        ["tenant_id", sa.literal_column('code COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("reasons_by_external_id", "reasons", ["tenant_id", "external_id"], unique=True)
    op.create_index("reasons_by_kind", "reasons", ["tenant_id", "kind", "created_at", "id"], unique=False)
    op.create_index("reasons_by_recording", "reasons", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("reasons_by_time", "reasons", ["tenant_id", "created_at", "id"], unique=False)
    op.execute("ALTER TABLE reasons ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE reasons FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON reasons TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON reasons TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON reasons TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON reasons AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
