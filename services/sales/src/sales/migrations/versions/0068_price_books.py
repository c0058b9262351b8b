"""price books"""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_books",
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
        sa.Column("name", sa.TEXT(), nullable=False),
        sa.Column("currency", sa.TEXT(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "price_books_by_archived_at",
        "price_books",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index(
        "price_books_by_currency",
        "price_books",
        ["tenant_id", sa.literal_column('currency COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("price_books_by_external_id", "price_books", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "price_books_by_is_default", "price_books", ["tenant_id", "is_default", "created_at", "id"], unique=False
    )
    op.create_index(
        "price_books_by_recording", "price_books", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("price_books_by_time", "price_books", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "prices",
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
        sa.Column("price_book_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("min_quantity", sa.Numeric(precision=20, scale=4), nullable=True),
        sa.Column("unit_price", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "price_book_id"],
            ["price_books.tenant_id", "price_books.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["products.tenant_id", "products.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "prices_by_archived_at",
        "prices",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index("prices_by_external_id", "prices", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "prices_by_price_book_id", "prices", ["tenant_id", "price_book_id", "created_at", "id"], unique=False
    )
    op.create_index("prices_by_product_id", "prices", ["tenant_id", "product_id", "created_at", "id"], unique=False)
    op.create_index("prices_by_recording", "prices", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("prices_by_time", "prices", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index("prices_by_what_they_are_of", "prices", ["tenant_id", "price_book_id", "product_id"], unique=False)
    op.add_column("orders", sa.Column("price_book_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        None, "orders", "price_books", ["tenant_id", "price_book_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.add_column("quotes", sa.Column("price_book_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        None, "quotes", "price_books", ["tenant_id", "price_book_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.execute("ALTER TABLE price_books ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE price_books FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON price_books TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON price_books TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON price_books TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON price_books AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE prices ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE prices FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON prices TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON prices TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON prices TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON prices AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
