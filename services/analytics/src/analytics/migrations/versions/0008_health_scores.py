"""health scores"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from kith.db.tables import Xid8

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health_scores",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="one more with each change of the band"),
        sa.Column("model", sa.Text(collation="C"), nullable=True, comment="null: no model is for it"),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True, comment="null: nothing is known of it"),
        sa.Column("band", sa.Text(collation="C"), nullable=True),
        sa.Column("coverage", sa.Double(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("band_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it must be scored again, if nothing happens until then",
        ),
        sa.Column(
            "due_band",
            sa.Text(collation="C"),
            nullable=True,
            comment="the band it will come into then; null: it will only be looked again",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id"),
    )
    op.create_index("health_scores_due", "health_scores", ["due_at"], unique=False)
    op.create_index(
        "health_scores_by_band", "health_scores", ["tenant_id", "band", "band_since", "customer_id"], unique=False
    )
    op.create_index("health_scores_upcoming", "health_scores", ["tenant_id", "due_at"], unique=False)
    op.create_table(
        "health_queue",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "event_id", sa.Uuid(), nullable=True, comment="what came in; null: nothing did, its facts were changed"
        ),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "health_rescorings",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("done_to", sa.Uuid(), nullable=True, comment="the customers up to this one are done"),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    op.create_table(
        "health_changes",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of the event that tells of it"),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.Text(collation="C"), nullable=False),
        sa.Column("model", sa.Text(collation="C"), nullable=True),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.Column("from_band", sa.Text(collation="C"), nullable=True),
        sa.Column("band", sa.Text(collation="C"), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("coverage", sa.Double(), nullable=False),
        sa.Column("drivers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trace_id", sa.Text(collation="C"), nullable=True),
        sa.Column("arrived", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("health_changes_by_arrival", "health_changes", ["tenant_id", "arrived", "seq"], unique=False)
    op.create_index("health_changes_by_customer", "health_changes", ["tenant_id", "customer_id", "at"], unique=False)
    for table in ("health_scores", "health_queue", "health_rescorings", "health_changes"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
        )
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO kith_app")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_worker")
    # Whoever is known already is scored once, as if something had just come in.
    op.execute("SET LOCAL ROLE kith_worker")
    op.execute(
        "INSERT INTO health_queue (tenant_id, customer_id) "
        "SELECT DISTINCT tenant_id, customer_id FROM facts WHERE customer_id IS NOT NULL"
    )
    op.execute("RESET ROLE")
