"""who names contacts"""

from kith.db.migrations import build_index

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "activities_by_told_contact_id",
        "activities",
        ["tenant_id", "told_contact_id"],
        where="activities.told_contact_id IS NOT NULL",
    )
    build_index(
        "leads_by_told_contact_id", "leads", ["tenant_id", "told_contact_id"], where="leads.told_contact_id IS NOT NULL"
    )
    build_index("opportunities_by_contacts", "opportunities", ["contacts"], using="gin")
