"""the customers of a tenant, as far as events have told, and the references that none has confirmed"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OWN = "tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')"
NOT_REMOVED = (
    "AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id "
    "FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
)
FACTS = ("kind", "segment", "tier", "owner", "stage")


def upgrade() -> None:
    op.create_table(
        "known_customers",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.TEXT(), nullable=True) for name in FACTS),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    for name in FACTS:
        by = sa.text(f'{name} COLLATE "C"')
        op.create_index(f"known_customers_by_{name}", "known_customers", ["tenant_id", by, "id"])
    op.create_table(
        "unconfirmed_references",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("noun", sa.TEXT(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("named_by", sa.TEXT(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False, comment="the first record that names it"),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "noun", "id"),
    )
    for table in ("known_customers", "unconfirmed_references"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO kith_app USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY removed ON {table} {NOT_REMOVED}")
        op.execute(f"GRANT SELECT ON {table} TO kith_app")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_worker")
    # A request notes what it names; a worker alone learns, and takes away what is known.
    op.execute("GRANT INSERT ON unconfirmed_references TO kith_app")
