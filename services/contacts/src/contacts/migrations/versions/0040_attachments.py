"""attachments"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment_contents",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "size", sa.BigInteger(), nullable=False, comment="in bytes; while it comes in, the most that it may have"
        ),
        sa.Column("media_type", sa.TEXT(), nullable=True, comment="null: it is not all in"),
        sa.Column("sha256", sa.TEXT(), nullable=True, comment="in hexadecimal; null: it is not all in"),
        sa.Column("begun_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "kept",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="it was found attached, and stays",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("attachment_contents_by_size", "attachment_contents", ["tenant_id", "size"], unique=False)
    op.create_index(
        "attachment_contents_by_time",
        "attachment_contents",
        ["begun_at"],
        unique=False,
        postgresql_where=sa.text("NOT kept"),
    )
    op.create_table(
        "attachment_drops",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "attachments",
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
        sa.Column("about", sa.TEXT(), nullable=True),
        sa.Column("about_id", sa.Uuid(), nullable=True),
        sa.Column("content_id", sa.Uuid(), nullable=True, comment="null: it was erased, and is gone from the store"),
        sa.Column("file_name", sa.TEXT(), nullable=True, comment="null: it was erased"),
        sa.Column("category", sa.TEXT(), nullable=True),
        sa.Column("media_type", sa.TEXT(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="in bytes"),
        sa.Column("sha256", sa.TEXT(), nullable=True, comment="in hexadecimal; null: it was erased"),
        sa.Column("author", sa.TEXT(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "told_contact_id", sa.Uuid(), nullable=True, comment="the id that was told, where that contact is merged"
        ),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["contacts.tenant_id", "contacts.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "content_id"],
            ["attachment_contents.tenant_id", "attachment_contents.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customers.tenant_id", "customers.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "attachments_by_about_id",
        "attachments",
        ["tenant_id", "about_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("about_id IS NOT NULL"),
    )
    op.create_index(
        "attachments_by_archived_at",
        "attachments",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index(
        "attachments_by_author",
        "attachments",
        ["tenant_id", sa.literal_column('author COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "attachments_by_category",
        "attachments",
        ["tenant_id", sa.literal_column('category COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "attachments_by_contact_id",
        "attachments",
        ["tenant_id", "contact_id"],
        unique=False,
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index("attachments_by_content_id", "attachments", ["tenant_id", "content_id"], unique=True)
    op.create_index(
        "attachments_by_customer", "attachments", ["tenant_id", "customer_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "attachments_by_erasure",
        "attachments",
        ["erased_at"],
        unique=False,
        postgresql_where=sa.text("erased_at IS NOT NULL AND content_id IS NOT NULL"),
    )
    op.create_index("attachments_by_external_id", "attachments", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "attachments_by_recording", "attachments", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("attachments_by_size", "attachments", ["tenant_id", "size", "created_at", "id"], unique=False)
    op.create_index("attachments_by_time", "attachments", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "attachments_by_told_contact_id",
        "attachments",
        ["tenant_id", "told_contact_id"],
        unique=False,
        postgresql_where=sa.text("told_contact_id IS NOT NULL"),
    )
    op.create_index(
        "attachments_by_told_customer_id",
        "attachments",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.execute("ALTER TABLE attachment_contents ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE attachment_contents FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON attachment_contents TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON attachment_contents TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON attachment_contents TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON attachment_contents AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE attachment_drops ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE attachment_drops FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON attachment_drops TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON attachment_drops TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON attachment_drops TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON attachment_drops AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE attachments ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE attachments FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON attachments TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON attachments TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON attachments TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON attachments AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
