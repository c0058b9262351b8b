"""what lists are filtered and sorted by has an index, for rows without a value too"""

from kith.db.migrations import build_index, rebuild_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


BY_CREATION = ["created_at", "id"]
NEW = {
    "opportunities": ['name COLLATE "C"', "value", 'source COLLATE "C"', "expected_close", "closed_at"],
    "orders": ["value"],
    "products": ['name COLLATE "C"', "price"],
    "returns": ["value"],
    "tasks": ["due_at"],
}
CHANGED = {
    "opportunities": ['owner COLLATE "C"', "product_id"],
    "orders": ['country COLLATE "C"'],
    "products": ['family COLLATE "C"'],
    "returns": ['country COLLATE "C"'],
    "tasks": ['owner COLLATE "C"', "playbook_id"],
}


def upgrade() -> None:
    for table in ("opportunities", "orders", "products", "returns", "tasks"):
        build_index(f"{table}_by_recording", table, ["tenant_id", "recorded_at", *BY_CREATION])
    for table, columns in NEW.items():
        for column in columns:
            name = column.partition(" ")[0]
            build_index(f"{table}_by_{name}", table, ["tenant_id", column, *BY_CREATION])
    for table, columns in CHANGED.items():
        for column in columns:
            name = column.partition(" ")[0]
            rebuild_index(f"{table}_by_{name}", table, ["tenant_id", column, *BY_CREATION])
