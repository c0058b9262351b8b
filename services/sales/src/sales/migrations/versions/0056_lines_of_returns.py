"""lines of returns"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Returns of before have none.
    op.add_column("returns", sa.Column("lines", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
