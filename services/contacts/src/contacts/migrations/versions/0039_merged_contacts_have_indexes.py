"""what names a merged contact is found by an index, and a consent is one of each contact that was told"""

from kith.db.migrations import build_index, drop_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

TABLES = ("consents", "notes", "touchpoints", "usages", "web_visits")


def upgrade() -> None:
    build_index("contacts_by_merged_into", "contacts", ["tenant_id", "merged_into", "created_at", "id"])
    for table in TABLES:
        name = "told_contact_id"
        build_index(f"{table}_by_{name}", table, ["tenant_id", name], where=f"{name} IS NOT NULL")
    columns = ["tenant_id", "coalesce(told_contact_id, contact_id)", "purpose", "channel"]
    build_index("consents_one_of_each", "consents", columns, unique=True)
    drop_index("consents_one_each")
