"""each foreign key has an index: who deletes a row is not to search for those that name it"""

from kith.db.migrations import build_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "orders_by_opportunity_id", "orders", ["tenant_id", "opportunity_id"], where="opportunity_id IS NOT NULL"
    )
    build_index("returns_by_order_id", "returns", ["tenant_id", "order_id"], where="order_id IS NOT NULL")
