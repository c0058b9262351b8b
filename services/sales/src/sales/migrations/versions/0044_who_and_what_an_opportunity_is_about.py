"""who and what an opportunity is about"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("opportunities", sa.Column("campaign", sa.TEXT(), nullable=True))
    op.add_column("opportunities", sa.Column("next_step", sa.TEXT(), nullable=True))
    op.add_column(
        "opportunities", sa.Column("competitors", sa.ARRAY(sa.TEXT()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column(
        "opportunities", sa.Column("contacts", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column(
        "opportunities", sa.Column("splits", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("opportunities", sa.Column("won_reason", sa.TEXT(), nullable=True))
