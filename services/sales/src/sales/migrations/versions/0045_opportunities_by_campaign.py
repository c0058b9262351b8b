"""who and what an opportunity is about: indexes"""

from kith.db.migrations import build_index

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("opportunities_by_campaign", "opportunities", ["tenant_id", 'campaign COLLATE "C"', "created_at", "id"])
