"""lists of contacts of before"""

from kith.db.migrations import fill

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Written again as it is, each row gets its lists from the trigger of 0013.
    fill("contacts", "role = role", where="roles = '[]'")
