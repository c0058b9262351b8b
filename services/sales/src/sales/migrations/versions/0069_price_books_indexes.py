"""price books: indexes"""

from kith.db.migrations import build_index

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "orders_by_price_book_id", "orders", ["tenant_id", "price_book_id"], where="orders.price_book_id IS NOT NULL"
    )
    build_index(
        "quotes_by_price_book_id", "quotes", ["tenant_id", "price_book_id"], where="quotes.price_book_id IS NOT NULL"
    )
