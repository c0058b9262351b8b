"""the people of a tenant, as far as events have told"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OWN = "tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')"
NOT_REMOVED = (
    "AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id "
    "FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
)


def upgrade() -> None:
    op.create_table(
        "known_roles",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.TEXT()), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "known_teams",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "known_users",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True, comment="null: linked to no token's subject yet"),
        sa.Column("state", sa.TEXT(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("role_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("known_users_by_actor", "known_users", ["tenant_id", "actor_id"])
    for table in ("known_roles", "known_teams", "known_users"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO kith_app USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY removed ON {table} {NOT_REMOVED}")
        # A request reads them, and a worker alone writes what it was told.
        op.execute(f"GRANT SELECT ON {table} TO kith_app")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_worker")
