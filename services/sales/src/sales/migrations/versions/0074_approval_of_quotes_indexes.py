"""approval of quotes: indexes"""

from kith.db.migrations import build_index

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("quotes_by_approval", "quotes", ["tenant_id", "approval", "created_at", "id"])
    build_index("quotes_by_clone_of_id", "quotes", ["tenant_id", "clone_of_id"], where="quotes.clone_of_id IS NOT NULL")
