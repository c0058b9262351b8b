"""each foreign key has an index: who deletes a row is not to search for those that name it"""

from kith.db.migrations import build_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("customers_by_referred_by", "customers", ["tenant_id", "referred_by"], where="referred_by IS NOT NULL")
    build_index("touchpoints_by_contact_id", "touchpoints", ["tenant_id", "contact_id"], where="contact_id IS NOT NULL")
