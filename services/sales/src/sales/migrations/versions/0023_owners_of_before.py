"""owners of before"""

from kith.db.migrations import fill

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Written again as it is, each row gets its owner's id from its trigger.
    fill("opportunities", "owner = owner", where="owner IS NOT NULL AND owner_id IS NULL")
    fill("tasks", "owner = owner", where="owner IS NOT NULL AND owner_id IS NULL")
    fill("known_customers", "owner = owner", where="owner IS NOT NULL AND owner_id IS NULL")
