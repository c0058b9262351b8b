"""whose the contacts and the runs of playbooks are, as far as events have told"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OWN = "tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')"


def upgrade() -> None:
    for table in ("known_contacts", "known_runs"):
        op.create_table(
            table,
            sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("customer_id", sa.Uuid(), nullable=False),
            sa.PrimaryKeyConstraint("tenant_id", "id"),
        )
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO kith_app USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        # A request reads them, and a worker alone writes what it was told.
        op.execute(f"GRANT SELECT ON {table} TO kith_app")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_worker")
