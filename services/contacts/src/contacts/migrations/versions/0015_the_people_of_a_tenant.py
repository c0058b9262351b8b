"""the people of a tenant"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OWN = "tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')"
NOT_REMOVED = (
    "AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id "
    "FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
)


def upgrade() -> None:
    op.create_table(
        "roles",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.TEXT(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("roles_by_code", "roles", ["tenant_id", "code", "created_at", "id"])
    op.create_index(
        "roles_one_by_code", "roles", ["tenant_id", "code"], unique=True, postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_index("roles_by_external_id", "roles", ["tenant_id", "external_id"], unique=True)
    op.create_index("roles_by_time", "roles", ["tenant_id", "created_at", "id"])
    op.create_table(
        "teams",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.TEXT(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id", "parent_id"], ["teams.tenant_id", "teams.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("teams_by_external_id", "teams", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "teams_by_parent_id",
        "teams",
        ["tenant_id", "parent_id", "created_at", "id"],
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index("teams_by_time", "teams", ["tenant_id", "created_at", "id"])
    op.create_table(
        "users",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.TEXT(), nullable=True, comment="null: it was erased"),
        sa.Column("email", sa.Text(collation="C"), nullable=True, comment="null: it was erased"),
        sa.Column(
            "state",
            sa.Enum("invited", "active", "suspended", name="userstate", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True, comment="null: linked to no token's subject yet"),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("role_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("users_by_actor", "users", ["tenant_id", "actor_id"], unique=True)
    op.create_index("users_by_email", "users", ["tenant_id", "email"], unique=True)
    op.create_index("users_by_external_id", "users", ["tenant_id", "external_id"], unique=True)
    op.create_index("users_by_state", "users", ["tenant_id", "state", "created_at", "id"])
    op.create_index(
        "users_by_team_id",
        "users",
        ["tenant_id", "team_id", "created_at", "id"],
        postgresql_where=sa.text("team_id IS NOT NULL"),
    )
    op.create_index("users_by_time", "users", ["tenant_id", "created_at", "id"])
    op.create_index(
        "users_erased", "users", ["tenant_id", "id", "erased_at"], postgresql_where=sa.text("erased_at IS NOT NULL")
    )
    for table in ("roles", "teams", "users"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO kith_app USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY removed ON {table} {NOT_REMOVED}")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_app, kith_worker")
