"""What the customers of recorded deals bought beside each other, counted straight from the files."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations

import polars as pl
import pytest
from tests.analytics.reference.conftest import Replayed
from tests.recorded import needs_recorded_data

pytestmark = [needs_recorded_data, pytest.mark.timeout(900)]


@pytest.mark.parametrize(("start", "end"), [("2017-03-01", "2018-01-01"), ("2017-06-15", "2017-07-01")])
async def test_products_go_together_as_the_files_have_it(replayed: dict[str, Replayed], start: str, end: str) -> None:
    it = replayed["b2b"]
    first, last = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, end))
    sold = it.company.lines.filter(pl.col("time") >= first, pl.col("time") < last).drop_nulls("customer")
    baskets = [set(products) for _, products in sold.group_by("customer").agg("product").iter_rows()]
    each = Counter(product for basket in baskets for product in basket)
    together = Counter(pair for basket in baskets for pair in permutations(basket, 2))
    answer = await it.get(
        "/v1/affinity",
        {"basket": "customer", "from": first.isoformat(), "to": last.isoformat(), "at_least": "1", "first": "100"},
    )
    shown = {(row["product_id"], row["other_id"]): row for row in answer["items"]}
    assert {pair: row["together"] for pair, row in shown.items()} == together
    assert together
    for (one, other), row in shown.items():
        lift = Decimal(together[one, other] * len(baskets)) / (each[one] * each[other])
        assert float(row["lift"]) == pytest.approx(float(lift))
    assert (await it.get("/v1/affinity", {"from": first.isoformat(), "to": last.isoformat()}))["items"] == []
