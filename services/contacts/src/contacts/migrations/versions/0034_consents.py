"""consents of contacts"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "consents",
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
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "any",
                "email",
                "phone",
                "sms",
                "chat",
                "post",
                "social",
                name="consentchannel",
                native_enum=False,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("requested", "given", "withdrawn", "refused", name="consentstate", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("separate", sa.Boolean(), nullable=False),
        sa.Column("text_version", sa.TEXT(), nullable=True),
        sa.Column("source", sa.TEXT(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_hash", sa.TEXT(), nullable=True),
        sa.Column("proof", sa.TEXT(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["contacts.tenant_id", "contacts.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "consents_by_contact_id",
        "consents",
        ["tenant_id", "contact_id"],
        unique=False,
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index("consents_by_customer", "consents", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.create_index("consents_by_external_id", "consents", ["tenant_id", "external_id"], unique=True)
    op.create_index("consents_by_purpose", "consents", ["tenant_id", "purpose", "created_at", "id"], unique=False)
    op.create_index("consents_by_recording", "consents", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("consents_by_state", "consents", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index("consents_by_time", "consents", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "consents_by_told_customer_id",
        "consents",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.create_index("consents_one_each", "consents", ["tenant_id", "contact_id", "purpose", "channel"], unique=True)
    op.execute("ALTER TABLE consents ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE consents FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON consents TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON consents TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON consents TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON consents AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
