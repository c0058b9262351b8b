"""leads"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leads",
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
        sa.Column("name", sa.TEXT(), nullable=True, comment="null: it was erased"),
        sa.Column("email", sa.TEXT(collation="C"), nullable=True),
        sa.Column("phone", sa.TEXT(), nullable=True),
        sa.Column("company", sa.TEXT(), nullable=True),
        sa.Column("title", sa.TEXT(), nullable=True),
        sa.Column("source", sa.TEXT(), nullable=True),
        sa.Column("campaign", sa.TEXT(), nullable=True),
        sa.Column("country", sa.TEXT(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "new",
                "working",
                "nurturing",
                "qualified",
                "unqualified",
                "converted",
                name="leadstate",
                native_enum=False,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column("nurture_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unqualified_reason", sa.TEXT(), nullable=True),
        sa.Column("duplicate_of_id", sa.Uuid(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("custom", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("custom_personal", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("leads_by_address", "leads", ["tenant_id", sa.literal_column("lower(email)")], unique=False)
    op.create_index(
        "leads_by_archived_at",
        "leads",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index(
        "leads_by_campaign",
        "leads",
        ["tenant_id", sa.literal_column('campaign COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("leads_by_customer", "leads", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.create_index(
        "leads_by_duplicate_of_id", "leads", ["tenant_id", "duplicate_of_id", "created_at", "id"], unique=False
    )
    op.create_index("leads_by_external_id", "leads", ["tenant_id", "external_id"], unique=True)
    op.create_index("leads_by_owner_id", "leads", ["tenant_id", "owner_id", "created_at", "id"], unique=False)
    op.create_index("leads_by_recording", "leads", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index(
        "leads_by_source",
        "leads",
        ["tenant_id", sa.literal_column('source COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("leads_by_state", "leads", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index("leads_by_time", "leads", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "leads_by_told_customer_id",
        "leads",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.execute("ALTER TABLE leads ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE leads FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON leads TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON leads TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON leads TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON leads AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
