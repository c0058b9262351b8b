"""erasures are confirmed, and what was erased is blinded"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False, comment="of what was erased in contacts"),
        sa.Column("service", sa.Text(collation="C"), nullable=False, comment="that erases it, too"),
        sa.Column("noun", sa.Text(collation="C"), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True, comment="null: it is being erased"),
        sa.Column(
            "records", postgresql.JSONB(), nullable=True, comment="how many of each noun something was taken out of"
        ),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False, comment="of what was taken out"),
        sa.Column(
            "known_by",
            postgresql.JSONB(),
            nullable=True,
            comment="what rows of imports name it by; null: they were looked at",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "record_id", "service"),
    )
    op.create_index(
        "erasures_due",
        "erasures",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("erased_at IS NULL OR version < 1"),
    )
    op.add_column(
        "attachment_drops",
        sa.Column("attachment_id", sa.Uuid(), nullable=True, comment="of what was erased; null: it was never attached"),
    )
    op.execute("ALTER TABLE erasures ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE erasures FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON erasures TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON erasures TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON erasures TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON erasures AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.create_table("blinding", sa.Column("key", sa.LargeBinary(), nullable=False), sa.PrimaryKeyConstraint("key"))
    op.execute(
        "INSERT INTO blinding SELECT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))"
    )
    op.execute("GRANT SELECT ON blinding TO kith_app, kith_worker")
