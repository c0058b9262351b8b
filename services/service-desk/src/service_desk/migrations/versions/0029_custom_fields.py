"""custom fields of cases"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"
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
    for name in ("number", "text"):
        op.create_index(f"custom_entries_by_{name}", "custom_entries", ["tenant_id", "field_id", name, "record_id"])
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
        sa.Column("of_noun", sa.Text(collation="C"), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("value_type", sa.TEXT(), nullable=False),
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
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True, comment="null: records may have values of it"),
        sa.Column(
            "entries_after",
            sa.Uuid(),
            nullable=True,
            comment="the record that it has come to; null: all entries are there",
        ),
        sa.Column("entries_made", sa.BigInteger(), nullable=True, comment="of how many records"),
        sa.Column(
            "version",
            sa.Integer(),
            nullable=False,
            comment="of its definition, after the last event that was read",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    for name in ("custom", "custom_personal"):
        op.add_column("cases", sa.Column(name, JSONB(), server_default=sa.text("'{}'"), nullable=False))
    for table in ("custom_entries", "field_definitions"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO kith_app USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY removed ON {table} {NOT_REMOVED}")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_worker")
    # A request reads the definitions, and a worker alone writes what it was told.
    op.execute("GRANT SELECT ON field_definitions TO kith_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON custom_entries TO kith_app")
