"""what was erased is blinded: indexes"""

from kith.db.migrations import build_index

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("erasures_due", "erasures", ["tenant_id"], where="erased_at IS NULL OR version < 1")
