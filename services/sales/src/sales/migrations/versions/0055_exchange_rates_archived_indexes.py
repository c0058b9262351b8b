"""exchange rates that are archived: indexes"""

from kith.db.migrations import build_index

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "exchange_rates_by_archived_at",
        "exchange_rates",
        ["tenant_id", "archived_at", "created_at", "id"],
        where="archived_at IS NOT NULL",
    )
