"""who caused an event"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outbox",
        sa.Column("actor", sa.Text(), nullable=True, comment="null: of before events said who caused them"),
    )
    op.add_column(
        "ledger",
        sa.Column(
            "actor",
            sa.Text(collation="C"),
            nullable=True,
            comment="null: of before events said who caused them",
        ),
    )
    op.add_column(
        "withdrawn_events",
        sa.Column("actor", sa.Text(collation="C"), nullable=True, comment="as the ledger had it"),
    )
