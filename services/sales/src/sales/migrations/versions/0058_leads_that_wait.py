"""leads that wait"""

from kith.db.migrations import build_index

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "leads_waiting",
        "leads",
        ["tenant_id", "queue_id", "created_at", "id"],
        where="leads.owner_id IS NULL AND leads.queue_id IS NOT NULL",
    )
