"""process failures"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "processes", sa.Column("failure", sa.Text(), nullable=True, comment="of the last step; null: it did not fail")
    )
    left = "what was made and is left; before it has ended: it is abandoned"
    op.execute(f"COMMENT ON COLUMN processes.\"left\" IS '{left}'")
    op.execute("COMMENT ON COLUMN processes.reason IS 'of undoing it'")
