"""erasure of customers and contacts"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("customers", "contacts"):
        op.add_column(table, sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
        # squawk: ban-drop-not-null - the code before shows a name that is null, as it does to who may not see it
        op.alter_column(table, "name", nullable=True, comment="null: it was erased")
