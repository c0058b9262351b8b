"""the customers at which contacts have roles"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "the customers that it has roles at; null: not known"
    op.add_column("known_contacts", sa.Column("role_at", JSONB(), nullable=True, comment=comment))
