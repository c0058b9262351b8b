"""an index of merged customers by their survivor"""

from kith.db.migrations import build_index

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("merged_customers_by_survivor", "merged_customers", ["tenant_id", "survivor"])
