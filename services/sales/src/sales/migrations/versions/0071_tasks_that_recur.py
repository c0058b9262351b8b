"""tasks that recur"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "tasks",
        sa.Column("checklist", postgresql.JSONB(), nullable=True, comment="null: there is none, or it was erased"),
    )
    op.add_column("tasks", sa.Column("recurrence", sa.TEXT(), nullable=True))
    op.add_column("tasks", sa.Column("time_zone", sa.TEXT(), nullable=True))
    op.add_column("tasks", sa.Column("recurs_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("occurrence", sa.Integer(), nullable=True))
    op.add_column("tasks", sa.Column("previous_id", sa.Uuid(), nullable=True))
    op.add_column("tasks", sa.Column("next_id", sa.Uuid(), nullable=True))
