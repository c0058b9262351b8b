"""what is given to the customer that remains is found by an index"""

from kith.db.migrations import build_index

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TOLD = {
    "cases": ["customer_id"],
}


def upgrade() -> None:
    build_index("known_customers_by_merged_into", "known_customers", ["tenant_id", "merged_into"])
    for table, columns in TOLD.items():
        for column in columns:
            name = f"told_{column}"
            build_index(f"{table}_by_{name}", table, ["tenant_id", name], where=f"{name} IS NOT NULL")
