"""duplicates"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duplicate_checks",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of the record"),
        sa.Column("noun", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the record; a later one is looked at again"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "duplicates",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("noun", sa.Text(collation="C"), nullable=False),
        sa.Column("one_id", sa.Uuid(), nullable=False, comment="of both the one that is less"),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.ARRAY(sa.TEXT()), nullable=False),
        sa.Column(
            "state", sa.Enum("suspected", "dismissed", name="pairstate", native_enum=False, length=64), nullable=False
        ),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.TEXT(), nullable=True, comment="who dismissed or reopened it"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "left_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when one of the two was merged, archived or erased, or was alike no more",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "duplicates_best_first",
        "duplicates",
        ["tenant_id", sa.literal_column("score DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("left_at IS NULL"),
    )
    op.create_index("duplicates_of_other", "duplicates", ["tenant_id", "other_id"], unique=False)
    op.create_index("duplicates_once", "duplicates", ["tenant_id", "one_id", "other_id"], unique=True)
    op.execute("ALTER TABLE duplicate_checks ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE duplicate_checks FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON duplicate_checks TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON duplicate_checks TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON duplicate_checks TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON duplicate_checks AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE duplicates ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE duplicates FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON duplicates TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON duplicates TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON duplicates TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON duplicates AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
