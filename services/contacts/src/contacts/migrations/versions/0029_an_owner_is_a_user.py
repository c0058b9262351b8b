"""an owner is a user"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In a transaction of its own: it reads all rows, and blocks none that write.
    op.execute("ALTER TABLE customers VALIDATE CONSTRAINT customers_tenant_id_owner_id_fkey")
