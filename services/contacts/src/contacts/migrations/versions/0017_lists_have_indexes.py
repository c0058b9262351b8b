"""what lists are filtered and sorted by has an index, for rows without a value too"""

from kith.db.migrations import build_index, rebuild_index

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


BY_CREATION = ["created_at", "id"]
NEW = {
    "customers": ['name COLLATE "C"', 'tier COLLATE "C"'],
    "contacts": ['name COLLATE "C"', 'email COLLATE "C"', 'role COLLATE "C"'],
}
CHANGED = {
    "customers": ['segment COLLATE "C"', 'owner COLLATE "C"', 'country COLLATE "C"', 'source COLLATE "C"'],
    "teams": ["parent_id"],
    "users": ["team_id"],
}


def upgrade() -> None:
    for table in ("customers", "contacts", "touchpoints", "settings", "users", "teams", "roles"):
        build_index(f"{table}_by_recording", table, ["tenant_id", "recorded_at", *BY_CREATION])
    for table, columns in NEW.items():
        for column in columns:
            name = column.partition(" ")[0]
            build_index(f"{table}_by_{name}", table, ["tenant_id", column, *BY_CREATION])
    for table, columns in CHANGED.items():
        for column in columns:
            name = column.partition(" ")[0]
            rebuild_index(f"{table}_by_{name}", table, ["tenant_id", column, *BY_CREATION])
