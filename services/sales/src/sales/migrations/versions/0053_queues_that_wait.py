"""queues that wait"""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lead_queues", sa.Column("gives_out", sa.Boolean(), server_default="true", nullable=False))
