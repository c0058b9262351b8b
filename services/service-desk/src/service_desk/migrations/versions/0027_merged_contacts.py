"""merged contacts, and the ids that cases were told of them"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    remains = "the contact that remains; null: it stands for itself"
    told = "the contact that it was merged into, where that was merged again"
    op.add_column("known_contacts", sa.Column("merged_into", sa.Uuid(), nullable=True, comment=remains))
    op.add_column("known_contacts", sa.Column("told_merged_into", sa.Uuid(), nullable=True, comment=told))
    comment = "the id that was told, where that contact is merged"
    op.add_column("cases", sa.Column("told_contact_id", sa.Uuid(), nullable=True, comment=comment))
