"""what lists are filtered and sorted by has an index, for rows without a value too"""

from kith.db.migrations import build_index, rebuild_index

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BY_CREATION = ["created_at", "id"]
NEW = ["channel", 'category COLLATE "C"', "contact_id", "resolved_at"]
CHANGED = ['assignee COLLATE "C"', 'queue COLLATE "C"', "playbook_id"]


def upgrade() -> None:
    build_index("cases_by_recording", "cases", ["tenant_id", "recorded_at", *BY_CREATION])
    for column in NEW:
        build_index(f"cases_by_{column.partition(' ')[0]}", "cases", ["tenant_id", column, *BY_CREATION])
    for column in CHANGED:
        rebuild_index(f"cases_by_{column.partition(' ')[0]}", "cases", ["tenant_id", column, *BY_CREATION])
