"""audit log"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column(
            "subjects",
            postgresql.JSONB(),
            nullable=True,
            comment="the ids of the records; null: it was not about single ones",
        ),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column(
            "position",
            sa.BigInteger(),
            nullable=True,
            comment="in the tenant's chain: 1, 2, 3, no gaps; null: not sealed yet",
        ),
        sa.Column(
            "hash",
            sa.LargeBinary(),
            nullable=True,
            comment="of the entry and of the hash before it (see kith.audit.chain)",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "audit_log_chain",
        "audit_log",
        ["tenant_id", "position"],
        unique=True,
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.create_index(
        "audit_log_unsealed", "audit_log", ["id"], unique=False, postgresql_where=sa.text("position IS NULL")
    )
    op.execute("ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE audit_log FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON audit_log TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON audit_log TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON audit_log TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON audit_log AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    # squawk: ban-revoke - the table is new
    op.execute("REVOKE INSERT, UPDATE, DELETE ON audit_log FROM kith_app, kith_worker")
    op.execute(
        "GRANT INSERT (tenant_id, id, at, actor, action, noun, subjects, detail) ON audit_log TO kith_app, kith_worker"
    )
    op.execute("GRANT UPDATE (position, hash), DELETE ON audit_log TO kith_worker")
    # squawk: ban-drop-policy - the table is new
    op.execute("DROP POLICY worker ON audit_log")
    op.execute("CREATE POLICY worker_reads ON audit_log FOR SELECT TO kith_worker USING (true)")
    op.execute("CREATE POLICY worker_adds ON audit_log FOR INSERT TO kith_worker WITH CHECK (true)")
    op.execute(
        "CREATE POLICY worker_seals ON audit_log FOR UPDATE TO kith_worker USING (position IS NULL) WITH CHECK (true)"
    )
    op.execute(
        "CREATE POLICY worker_removes ON audit_log FOR DELETE TO kith_worker USING (EXISTS (SELECT FROM public.removed_tenants r WHERE r.tenant_id = audit_log.tenant_id AND r.readmitted_at IS NULL))"
    )
