"""indexes of archived records"""

from kith.db.migrations import build_index

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("cases",):
        columns = ["tenant_id", "archived_at", "created_at", "id"]
        build_index(f"{table}_by_archived_at", table, columns, where="archived_at IS NOT NULL")
