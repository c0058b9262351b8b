"""custom fields"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

OWN = "tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')"
NOT_REMOVED = (
    "AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id "
    "FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
)


def upgrade() -> None:
    op.create_table(
        "custom_entries",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("field_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False, comment="of several choices"),
        sa.Column("text", sa.Text(collation="C"), nullable=True),
        sa.Column(
            "number",
            sa.BigInteger(),
            nullable=True,
            comment="a number or an amount times 10^6; a day; microseconds since 1970; 0 or 1",
        ),
        sa.Column("is_unique", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "record_id", "field_id", "place"),
    )
    op.create_index(
        "custom_entries_by_number", "custom_entries", ["tenant_id", "field_id", "number", "record_id"], unique=False
    )
    op.create_index(
        "custom_entries_by_text", "custom_entries", ["tenant_id", "field_id", "text", "record_id"], unique=False
    )
    op.create_index(
        "custom_entries_unique",
        "custom_entries",
        ["tenant_id", "field_id", "text"],
        unique=True,
        postgresql_where=sa.text("is_unique"),
    )
    op.create_table(
        "field_definitions",
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
        sa.Column("of_noun", sa.Text(collation="C"), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "value_type",
            sa.Enum(
                "text",
                "number",
                "money",
                "date",
                "instant",
                "choice",
                "multi_choice",
                "boolean",
                "link",
                name="fieldtype",
                native_enum=False,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.TEXT(), nullable=False),
        sa.Column("help", sa.TEXT(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("unique", sa.Boolean(), nullable=False),
        sa.Column("personal", sa.Boolean(), nullable=False),
        sa.Column("filterable", sa.Boolean(), nullable=False),
        sa.Column("default", sa.TEXT(), nullable=True),
        sa.Column("choices", sa.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("currency", sa.TEXT(), nullable=True),
        sa.Column("links_to", sa.TEXT(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "field_definitions_by_code", "field_definitions", ["tenant_id", "code", "created_at", "id"], unique=False
    )
    op.create_index("field_definitions_by_external_id", "field_definitions", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "field_definitions_by_of_noun", "field_definitions", ["tenant_id", "of_noun", "created_at", "id"], unique=False
    )
    op.create_index(
        "field_definitions_by_archived_at",
        "field_definitions",
        ["tenant_id", "archived_at", "created_at", "id"],
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index(
        "field_definitions_by_recording",
        "field_definitions",
        ["tenant_id", "recorded_at", "created_at", "id"],
        unique=False,
    )
    op.create_index("field_definitions_by_time", "field_definitions", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "field_definitions_one_by_code",
        "field_definitions",
        ["tenant_id", "of_noun", "code"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    for table in ("customers", "contacts"):
        for name in ("custom", "custom_personal"):
            op.add_column(table, sa.Column(name, JSONB(), server_default=sa.text("'{}'"), nullable=False))
    for table in ("custom_entries", "field_definitions"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO kith_app USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY removed ON {table} {NOT_REMOVED}")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_app, kith_worker")
    # Code of before erases records, and knows of no custom fields.
    op.execute("""
        CREATE FUNCTION custom_of_erased() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.custom_personal <> '{}' THEN
                NEW.custom_personal := '{}';
                DELETE FROM custom_entries e USING field_definitions f
                WHERE e.tenant_id = NEW.tenant_id AND e.record_id = NEW.id
                    AND f.tenant_id = e.tenant_id AND f.id = e.field_id AND f.personal;
            END IF;
            RETURN NEW;
        END $$
    """)
    for table in ("customers", "contacts"):
        op.execute(f"""
            CREATE TRIGGER custom_of_erased BEFORE UPDATE ON {table}
            FOR EACH ROW WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION custom_of_erased()
        """)
