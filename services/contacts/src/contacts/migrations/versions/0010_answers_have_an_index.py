"""an index of remembered answers by their record"""

from kith.db.migrations import build_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("idempotency_answers", "idempotency", ["tenant_id", "subject"], where="outcome IS NOT NULL")
