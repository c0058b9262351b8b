"""indexes of records by their owner"""

from kith.db.migrations import build_index

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("opportunities_by_owner_id", "opportunities", ["tenant_id", "owner_id", "created_at", "id"])
    build_index("tasks_by_owner_id", "tasks", ["tenant_id", "owner_id", "created_at", "id"])
    build_index("known_customers_by_owner_id", "known_customers", ["tenant_id", "owner_id", "id"])
