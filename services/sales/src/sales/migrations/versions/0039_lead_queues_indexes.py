"""lead queues: indexes"""

from kith.db.migrations import build_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("leads_by_queue_id", "leads", ["tenant_id", "queue_id", "created_at", "id"])
