"""an index for each column that lists are filtered by"""

from kith.db.migrations import build_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("readings_by_signal_id", "readings", ["tenant_id", "signal_id", "created_at", "id"])
