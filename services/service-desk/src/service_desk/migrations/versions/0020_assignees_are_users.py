"""assignees are users"""

import sqlalchemy as sa
from alembic import op

from kith.db.named_users import NAMED_USER, following

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(NAMED_USER)
    op.add_column("cases", sa.Column("assignee_id", sa.Uuid(), nullable=True))
    for statement in following("cases", "assignee", "assignee_id"):
        op.execute(statement)
    op.add_column("known_customers", sa.Column("owner_id", sa.Uuid(), nullable=True))
    for statement in following("known_customers", "owner", "owner_id"):
        op.execute(statement)
