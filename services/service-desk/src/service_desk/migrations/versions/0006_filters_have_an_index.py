"""an index for each column that lists are filtered by"""

from kith.db.migrations import build_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("state", "priority"):
        build_index(f"cases_by_{column}", "cases", ["tenant_id", column, "created_at", "id"])
    for column in ("assignee", "queue", "playbook_id"):
        build_index(
            f"cases_by_{column}", "cases", ["tenant_id", column, "created_at", "id"], where=f"{column} IS NOT NULL"
        )
