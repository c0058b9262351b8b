"""scores that have reached the threshold, and contacts that are erased"""

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leads", sa.Column("has_reached", sa.Boolean(), nullable=True))
    op.add_column("known_contacts", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
