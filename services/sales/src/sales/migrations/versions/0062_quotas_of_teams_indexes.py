"""quotas of teams: indexes"""

from kith.db.migrations import build_index

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("quotas_by_team_id", "quotas", ["tenant_id", "team_id", "created_at", "id"])
