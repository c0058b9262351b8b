"""assignees of before"""

from kith.db.migrations import fill

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Written again as it is, each row gets its assignee's id from its trigger.
    fill("cases", "assignee = assignee", where="assignee IS NOT NULL AND assignee_id IS NULL")
    fill("known_customers", "owner = owner", where="owner IS NOT NULL AND owner_id IS NULL")
