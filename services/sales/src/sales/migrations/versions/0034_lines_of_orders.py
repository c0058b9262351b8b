"""lines of orders"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Orders of before have none.
    op.add_column("orders", sa.Column("lines", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
