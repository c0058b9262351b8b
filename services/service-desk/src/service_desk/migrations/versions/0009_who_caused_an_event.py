"""who caused an event"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outbox",
        sa.Column("actor", sa.Text(), nullable=True, comment="null: of before events said who caused them"),
    )
