"""which playbooks runs are of; of those that were known before it is not known"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("known_runs", sa.Column("playbook_id", sa.Uuid(), nullable=True))
