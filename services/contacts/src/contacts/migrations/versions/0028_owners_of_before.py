"""owners of before"""

from kith.db.migrations import fill

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Written again as it is, each row gets its owner's id, and the tenant its user, from its trigger.
    fill("customers", "owner = owner", where="owner IS NOT NULL AND owner_id IS NULL")
