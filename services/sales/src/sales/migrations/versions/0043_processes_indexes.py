"""processes: indexes"""

from kith.db.migrations import build_index

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "leads_by_opportunity_id", "leads", ["tenant_id", "opportunity_id"], where="leads.opportunity_id IS NOT NULL"
    )
