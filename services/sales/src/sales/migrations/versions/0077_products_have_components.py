"""products have components"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "products", sa.Column("components", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
