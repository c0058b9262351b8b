"""what lists are filtered and sorted by has an index, for rows without a value too"""

from kith.db.migrations import build_index

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


BY_CREATION = ["created_at", "id"]


def upgrade() -> None:
    for table in ("health_models", "playbooks", "pulses", "readings", "signals"):
        build_index(f"{table}_by_recording", table, ["tenant_id", "recorded_at", *BY_CREATION])
