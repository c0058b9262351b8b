"""users are named by their id"""

from alembic import op

from kith.db.named_users import NAMED_USER

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(NAMED_USER)
