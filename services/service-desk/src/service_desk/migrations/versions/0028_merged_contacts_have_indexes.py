"""what names a merged contact is found by an index"""

from kith.db.migrations import build_index

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("known_contacts_by_merged_into", "known_contacts", ["tenant_id", "merged_into"])
    name = "told_contact_id"
    build_index(f"cases_by_{name}", "cases", ["tenant_id", name], where=f"{name} IS NOT NULL")
