"""what is given to the customer that remains is found by an index"""

from kith.db.migrations import build_index

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TOLD = {
    "opportunities": ["customer_id"],
    "orders": ["customer_id"],
    "returns": ["customer_id"],
    "tasks": ["customer_id"],
}


def upgrade() -> None:
    build_index("known_customers_by_merged_into", "known_customers", ["tenant_id", "merged_into"])
    for table, columns in TOLD.items():
        for column in columns:
            name = f"told_{column}"
            build_index(f"{table}_by_{name}", table, ["tenant_id", name], where=f"{name} IS NOT NULL")
