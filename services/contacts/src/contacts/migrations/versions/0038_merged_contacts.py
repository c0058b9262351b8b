"""merged contacts, and the ids that records were told of them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TABLES = ("consents", "notes", "touchpoints", "usages", "web_visits")


def upgrade() -> None:
    remains = "the contact that remains; null: it stands for itself"
    told = "the contact that it was merged into, where that was merged again"
    op.add_column("contacts", sa.Column("merged_into", sa.Uuid(), nullable=True, comment=remains))
    op.add_column("contacts", sa.Column("told_merged_into", sa.Uuid(), nullable=True, comment=told))
    op.add_column(
        "contacts",
        sa.Column("taken", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    )
    for table in TABLES:
        comment = "the id that was told, where that contact is merged"
        op.add_column(table, sa.Column("told_contact_id", sa.Uuid(), nullable=True, comment=comment))
