"""an index of customers by their owner"""

from kith.db.migrations import build_index

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("customers_by_owner_id", "customers", ["tenant_id", "owner_id", "created_at", "id"])
