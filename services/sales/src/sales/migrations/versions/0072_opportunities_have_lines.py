"""opportunities have lines"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "opportunities", sa.Column("lines", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("opportunities", sa.Column("last_line", sa.Integer(), server_default=sa.text("0"), nullable=False))
