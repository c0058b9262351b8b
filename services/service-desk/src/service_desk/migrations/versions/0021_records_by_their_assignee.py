"""indexes of records by their assignee"""

from kith.db.migrations import build_index

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("cases_by_assignee_id", "cases", ["tenant_id", "assignee_id", "created_at", "id"])
    build_index("known_customers_by_owner_id", "known_customers", ["tenant_id", "owner_id", "id"])
