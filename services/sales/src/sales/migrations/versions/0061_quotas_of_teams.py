"""quotas of teams"""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quotas", sa.Column("team_id", sa.Uuid(), nullable=True))
    # squawk: ban-drop-not-null - only a team's has none; the code before shows it over REST, and makes no such quota
    op.alter_column("quotas", "owner_id", nullable=True)
