"""lists are filtered by fields that were defined without it"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "the record that it has come to; null: all entries are there"
    op.add_column("field_definitions", sa.Column("entries_after", sa.Uuid(), nullable=True, comment=comment))
    op.add_column(
        "field_definitions",
        sa.Column("entries_made", sa.BigInteger(), nullable=True, comment="of how many records"),
    )
