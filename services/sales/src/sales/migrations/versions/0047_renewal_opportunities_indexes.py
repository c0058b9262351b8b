"""renewal opportunities: indexes"""

from kith.db.migrations import build_index

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "subscriptions_by_renewal_opportunity_id",
        "subscriptions",
        ["tenant_id", "renewal_opportunity_id"],
        where="subscriptions.renewal_opportunity_id IS NOT NULL",
    )
