"""an index of the erased records"""

from kith.db.migrations import build_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("customers", "contacts"):
        build_index(f"{table}_erased", table, ["tenant_id", "id", "erased_at"], where="erased_at IS NOT NULL")
