"""leads by score"""

from kith.db.migrations import build_index

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("leads_by_score", "leads", ["tenant_id", "score", "created_at", "id"])
    build_index(
        "leads_by_scoring",
        "leads",
        ["tenant_id", "scored_by"],
        where="leads.state NOT IN ('unqualified', 'converting', 'converted') AND leads.archived_at IS NULL AND leads.erased_at IS NULL",
    )
