"""indexes of customers by their stage and their parent"""

from kith.db.migrations import build_index

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("stage", "parent_id"):
        build_index(f"customers_by_{column}", "customers", ["tenant_id", column, "created_at", "id"])
