"""What operators see of retention, of all tenants together."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import happened

from analytics.metrics.retained import report_retained
from kith.events.sales import OrderPlaced
from kith.ids import new_id

pytestmark = pytest.mark.own_database
BOUGHT = OrderPlaced(value=Decimal(100), currency="EUR")


async def test_customers_are_active_now_or_a_month_ago_or_at_both_whoever_they_belong_to(
    fold: Callable[..., Any], worker: AsyncEngine, tenant: str, other_tenant: str
) -> None:
    now = datetime.now(UTC)
    kept, back, gone, new, long_gone = (new_id() for _ in range(5))
    bought = {
        kept: [(tenant, 100), (tenant, 20)],  # a span that covers both instants
        back: [(other_tenant, 115), (other_tenant, 5)],  # active at both, by two spans: it was away between them
        gone: [(tenant, 95)],
        new: [(other_tenant, 10)],
        long_gone: [(tenant, 300)],
    }
    await fold(
        *(
            happened(BOUGHT, owner, now - timedelta(days=days), customer)
            for customer, purchases in bought.items()
            for owner, days in purchases
        )
    )
    await report_retained(worker)
    found = {
        name: REGISTRY.get_sample_value("kith_activity_customers", {"active": name})
        for name in ("now", "before", "retained")
    }
    assert found == {"now": 3, "before": 3, "retained": 2}
