"""when records were archived"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("cases",):
        op.add_column(table, sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
