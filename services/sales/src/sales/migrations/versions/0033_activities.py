"""activities"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activities",
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
        sa.Column(
            "kind",
            sa.Enum("meeting", "call", "visit", "inquiry", name="activitykind", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column(
            "direction",
            sa.Enum("inbound", "outbound", name="activitydirection", native_enum=False, length=64),
            nullable=True,
        ),
        sa.Column(
            "state",
            sa.Enum("planned", "held", "missed", "cancelled", name="activitystate", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("planned_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.TEXT(), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subject", sa.TEXT(), nullable=True, comment="null: there is none, or it was erased"),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("custom", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("custom_personal", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "opportunity_id"],
            ["opportunities.tenant_id", "opportunities.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "activities_by_archived_at",
        "activities",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index(
        "activities_by_contact_id", "activities", ["tenant_id", "contact_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "activities_by_customer", "activities", ["tenant_id", "customer_id", "created_at", "id"], unique=False
    )
    op.create_index("activities_by_external_id", "activities", ["tenant_id", "external_id"], unique=True)
    op.create_index("activities_by_held_at", "activities", ["tenant_id", "held_at", "created_at", "id"], unique=False)
    op.create_index("activities_by_kind", "activities", ["tenant_id", "kind", "created_at", "id"], unique=False)
    op.create_index(
        "activities_by_opportunity_id", "activities", ["tenant_id", "opportunity_id", "created_at", "id"], unique=False
    )
    op.create_index("activities_by_owner_id", "activities", ["tenant_id", "owner_id", "created_at", "id"], unique=False)
    op.create_index(
        "activities_by_planned_for", "activities", ["tenant_id", "planned_for", "created_at", "id"], unique=False
    )
    op.create_index(
        "activities_by_recording", "activities", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("activities_by_state", "activities", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index("activities_by_time", "activities", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "activities_by_told_customer_id",
        "activities",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.add_column("tasks", sa.Column("kind", sa.TEXT(), nullable=True))
    op.add_column(
        "tasks",
        sa.Column(
            "priority",
            sa.Enum("low", "normal", "high", "urgent", name="taskpriority", native_enum=False, length=64),
            server_default="normal",
            nullable=False,
        ),
    )
    op.execute("ALTER TABLE activities ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE activities FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON activities TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON activities TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON activities TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON activities AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
