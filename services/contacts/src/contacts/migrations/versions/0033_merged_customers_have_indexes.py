"""what is given to the customer that remains is found by an index"""

from kith.db.migrations import build_index

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TOLD = {
    "customers": ["referred_by", "parent_id"],
    "contacts": ["customer_id"],
    "touchpoints": ["customer_id"],
    "usages": ["customer_id"],
    "adoptions": ["customer_id"],
    "web_visits": ["customer_id"],
}


def upgrade() -> None:
    build_index("customers_by_merged_into", "customers", ["tenant_id", "merged_into", "created_at", "id"])
    for table, columns in TOLD.items():
        for column in columns:
            name = f"told_{column}"
            build_index(f"{table}_by_{name}", table, ["tenant_id", name], where=f"{name} IS NOT NULL")
