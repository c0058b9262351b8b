"""exchange rates that are archived"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("exchange_rates", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
