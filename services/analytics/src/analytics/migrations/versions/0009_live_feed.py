"""live feed"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In two steps: a column that comes with a default which differs from row to row would rewrite the ledger.
    op.execute("ALTER TABLE ledger ADD COLUMN arrived xid8")
    op.execute("ALTER TABLE ledger ALTER COLUMN arrived SET DEFAULT pg_current_xact_id()")
    op.execute("COMMENT ON COLUMN ledger.arrived IS 'null: before there were arrivals'")
    op.execute(
        """
        CREATE TABLE arrivals (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            tenant_id text COLLATE "C" NOT NULL,
            arrived xid8 DEFAULT pg_current_xact_id() NOT NULL,
            recorded_at timestamptz DEFAULT now() NOT NULL,
            types text[] COLLATE "C" NOT NULL,
            customers uuid[]
        )
        """
    )
    op.execute("COMMENT ON COLUMN arrivals.customers IS 'null: too many to name'")
    op.create_index("arrivals_by_tenant", "arrivals", ["tenant_id", "arrived"], unique=False)
    op.create_table(
        "live_epoch",
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.Column("system_identifier", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch"),
    )
    op.execute("ALTER TABLE arrivals ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE arrivals FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON arrivals TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON arrivals TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT ON arrivals TO kith_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON arrivals TO kith_worker")
    op.execute("GRANT SELECT ON live_epoch TO kith_app, kith_worker")
