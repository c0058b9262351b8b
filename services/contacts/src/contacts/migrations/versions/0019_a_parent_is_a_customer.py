"""a parent is a customer"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In a transaction of its own: it reads all rows, and blocks none that write.
    op.execute("ALTER TABLE customers VALIDATE CONSTRAINT customers_tenant_id_parent_id_fkey")
