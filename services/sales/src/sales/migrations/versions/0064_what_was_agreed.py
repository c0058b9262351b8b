"""what was agreed"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "goals",
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
        sa.Column("title", sa.TEXT(), nullable=True, comment="null: it was erased"),
        sa.Column("target", sa.TEXT(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "state",
            sa.Enum("open", "achieved", "dropped", name="goalstate", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("reason", sa.TEXT(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("links", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("results", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("goals_by_customer", "goals", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.create_index("goals_by_due_at", "goals", ["tenant_id", "due_at", "created_at", "id"], unique=False)
    op.create_index("goals_by_external_id", "goals", ["tenant_id", "external_id"], unique=True)
    op.create_index("goals_by_owner_id", "goals", ["tenant_id", "owner_id", "created_at", "id"], unique=False)
    op.create_index("goals_by_recording", "goals", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("goals_by_state", "goals", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index("goals_by_time", "goals", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "goals_by_told_customer_id",
        "goals",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.create_table(
        "milestones",
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
        sa.Column("title", sa.TEXT(), nullable=True, comment="null: it was erased"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("open", "met", "missed", "dropped", name="milestonestate", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.TEXT(), nullable=True),
        sa.Column("links", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "goal_id"],
            ["goals.tenant_id", "goals.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "milestones_by_customer", "milestones", ["tenant_id", "customer_id", "created_at", "id"], unique=False
    )
    op.create_index("milestones_by_due_at", "milestones", ["tenant_id", "due_at", "created_at", "id"], unique=False)
    op.create_index("milestones_by_external_id", "milestones", ["tenant_id", "external_id"], unique=True)
    op.create_index("milestones_by_goal_id", "milestones", ["tenant_id", "goal_id", "created_at", "id"], unique=False)
    op.create_index("milestones_by_owner_id", "milestones", ["tenant_id", "owner_id", "created_at", "id"], unique=False)
    op.create_index(
        "milestones_by_recording", "milestones", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("milestones_by_state", "milestones", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index("milestones_by_time", "milestones", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "milestones_by_told_customer_id",
        "milestones",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.execute("ALTER TABLE goals ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE goals FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON goals TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON goals TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON goals TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON goals AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE milestones ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE milestones FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON milestones TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON milestones TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON milestones TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON milestones AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
