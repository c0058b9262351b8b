"""organisations, stages and addresses of customers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TEXTS = ("industry", "size", "language", "time_zone", "website")


def upgrade() -> None:
    op.add_column("customers", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.add_column("customers", sa.Column("stage", sa.String(64), nullable=True))
    op.add_column("customers", sa.Column("stage_since", sa.DateTime(timezone=True), nullable=True))
    for name in _TEXTS:
        op.add_column("customers", sa.Column(name, sa.TEXT(), nullable=True))
    op.add_column("customers", sa.Column("addresses", JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.create_foreign_key(
        None,
        "customers",
        "customers",
        ["tenant_id", "parent_id"],
        ["tenant_id", "id"],
        postgresql_not_valid=True,
    )
    # Code of before erases a customer, and does not know all that says who it is.
    op.execute("""
        CREATE FUNCTION customers_of_former_code() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.website := NULL;
            NEW.language := NULL;
            NEW.time_zone := NULL;
            NEW.addresses := '[]';
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER customers_of_former_code BEFORE UPDATE ON customers
        FOR EACH ROW WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION customers_of_former_code()
    """)
