"""an index for each column that lists are filtered by"""

from kith.db.migrations import build_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("customers_by_kind", "customers", ["tenant_id", "kind", "created_at", "id"])
    build_index("touchpoints_by_channel", "touchpoints", ["tenant_id", "channel", "created_at", "id"])
    for column in ("segment", "owner", "country", "source"):
        build_index(
            f"customers_by_{column}",
            "customers",
            ["tenant_id", column, "created_at", "id"],
            where=f"{column} IS NOT NULL",
        )
