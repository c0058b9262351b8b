"""usage adoption and web visits"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "adoptions",
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
        sa.Column("product", sa.TEXT(), nullable=True),
        sa.Column("bought", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "adoptions_by_customer", "adoptions", ["tenant_id", "customer_id", "created_at", "id"], unique=False
    )
    op.create_index("adoptions_by_external_id", "adoptions", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "adoptions_by_product",
        "adoptions",
        ["tenant_id", sa.literal_column('product COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "adoptions_by_recording", "adoptions", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("adoptions_by_time", "adoptions", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "usages",
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
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("product", sa.TEXT(), nullable=True),
        sa.Column("feature", sa.TEXT(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "usages_by_contact_id",
        "usages",
        ["tenant_id", "contact_id"],
        unique=False,
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index("usages_by_customer", "usages", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.create_index("usages_by_external_id", "usages", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "usages_by_feature",
        "usages",
        ["tenant_id", sa.literal_column('feature COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "usages_by_product",
        "usages",
        ["tenant_id", sa.literal_column('product COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("usages_by_recording", "usages", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("usages_by_time", "usages", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "web_visits",
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
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("site", sa.TEXT(), nullable=True),
        sa.Column("landing_page", sa.TEXT(), nullable=True),
        sa.Column("source", sa.TEXT(), nullable=True),
        sa.Column("campaign", sa.TEXT(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "web_visits_by_campaign",
        "web_visits",
        ["tenant_id", sa.literal_column('campaign COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "web_visits_by_contact_id",
        "web_visits",
        ["tenant_id", "contact_id"],
        unique=False,
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index(
        "web_visits_by_customer", "web_visits", ["tenant_id", "customer_id", "created_at", "id"], unique=False
    )
    op.create_index("web_visits_by_external_id", "web_visits", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "web_visits_by_recording", "web_visits", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index(
        "web_visits_by_site",
        "web_visits",
        ["tenant_id", sa.literal_column('site COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("web_visits_by_time", "web_visits", ["tenant_id", "created_at", "id"], unique=False)
    op.add_column("touchpoints", sa.Column("sentiment", sa.Integer(), nullable=True))
    op.add_column("touchpoints", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.add_column("touchpoints", sa.Column("about", sa.TEXT(), nullable=True))
    op.add_column("touchpoints", sa.Column("about_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        None, "touchpoints", "users", ["tenant_id", "user_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.execute("ALTER TABLE adoptions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE adoptions FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON adoptions TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON adoptions TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON adoptions TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON adoptions AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE usages ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE usages FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON usages TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON usages TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON usages TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON usages AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE web_visits ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE web_visits FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON web_visits TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON web_visits TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON web_visits TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON web_visits AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
