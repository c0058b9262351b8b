"""when records were archived"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("customers", "contacts"):
        op.add_column(table, sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
