"""indexes of touchpoints by who of ours it was, and what it was about"""

from kith.db.migrations import build_index

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("touchpoints_by_user_id", "touchpoints", ["tenant_id", "user_id"], where="user_id IS NOT NULL")
    columns = ["tenant_id", "about_id", "created_at", "id"]
    build_index("touchpoints_by_about_id", "touchpoints", columns, where="about_id IS NOT NULL")
