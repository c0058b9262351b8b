"""owners are users"""

import sqlalchemy as sa
from alembic import op

from kith.db.named_users import NAMED_USER, following

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(NAMED_USER)
    op.add_column("opportunities", sa.Column("owner_id", sa.Uuid(), nullable=True))
    op.add_column("tasks", sa.Column("owner_id", sa.Uuid(), nullable=True))
    for table in ("opportunities", "tasks"):
        for statement in following(table, "owner", "owner_id"):
            op.execute(statement)
    op.add_column("known_customers", sa.Column("owner_id", sa.Uuid(), nullable=True))
    for statement in following("known_customers", "owner", "owner_id"):
        op.execute(statement)
