"""an index for each column that lists are filtered by"""

from kith.db.migrations import build_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("opportunities_by_stage", "opportunities", ["tenant_id", "stage", "created_at", "id"])
    build_index("tasks_by_state", "tasks", ["tenant_id", "state", "created_at", "id"])
    build_index(
        "products_by_family", "products", ["tenant_id", "family", "created_at", "id"], where="family IS NOT NULL"
    )
    for column in ("owner", "product_id"):
        build_index(
            f"opportunities_by_{column}",
            "opportunities",
            ["tenant_id", column, "created_at", "id"],
            where=f"{column} IS NOT NULL",
        )
    build_index(
        "orders_by_country", "orders", ["tenant_id", "country", "created_at", "id"], where="country IS NOT NULL"
    )
    build_index(
        "returns_by_country", "returns", ["tenant_id", "country", "created_at", "id"], where="country IS NOT NULL"
    )
    for column in ("owner", "playbook_id"):
        build_index(
            f"tasks_by_{column}", "tasks", ["tenant_id", column, "created_at", "id"], where=f"{column} IS NOT NULL"
        )
