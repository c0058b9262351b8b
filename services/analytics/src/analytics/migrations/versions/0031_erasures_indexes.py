"""remembered answers of a record are found by an index"""

from kith.db.migrations import build_index

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("idempotency_answers", "idempotency", ["tenant_id", "subject"], where="outcome IS NOT NULL")
