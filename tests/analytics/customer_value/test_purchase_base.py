from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.customer_value.purchase_base import PurchaseBase, Purchases, instant

START = datetime(2011, 1, 1, tzinfo=UTC)
bought = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30), st.booleans(), st.integers(0, 3)),
    max_size=40,
    unique_by=lambda each: (each[0], each[1]),
)
"""Customer, day, whether it is an order, and its currency."""


@given(bought)
def test_the_main_currency_is_that_of_most_orders_and_then_of_the_last(rows: list[tuple[int, int, bool, int]]) -> None:
    time = np.array([instant(START + timedelta(days=row[1])) for row in rows], "datetime64[us]")
    purchases = Purchases(
        customer=np.array([row[0] for row in rows], np.int64),
        time=time,
        day=time.astype("datetime64[D]"),
        amount=np.ones(len(rows)),
        placed=np.array([row[2] for row in rows], np.bool_),
        currency=np.array([row[3] for row in rows], np.int64),
    )
    base = PurchaseBase.before(START + timedelta(days=60), 5, purchases, "UTC")
    for who, main in enumerate(base.main_currency().tolist()):
        mine = [(day, currency) for customer, day, placed, currency in rows if customer == who and placed]
        if mine:
            often = Counter(currency for _, currency in mine)
            assert main == max(often, key=lambda each: (often[each], max(d for d, c in mine if c == each)))
