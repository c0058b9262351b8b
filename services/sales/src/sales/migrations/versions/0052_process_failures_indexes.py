"""process failures: indexes"""

from kith.db.migrations import build_index

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("leads_by_contact_id", "leads", ["tenant_id", "contact_id", "created_at", "id"])
