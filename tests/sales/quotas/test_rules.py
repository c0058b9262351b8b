from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Invalid
from kith.events.quotas import QuotaCreated, QuotaCreatedForTeam
from kith.ids import new_id
from sales.quotas.rules import Quota, QuotaPeriod

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ANN = new_id()


def created(**fields: Any) -> Quota:
    march = {"owner_id": ANN, "period": QuotaPeriod.MONTH, "starts_on": date(2026, 3, 1)}
    it, _ = Quota.create(id=new_id(), at=DAY, **{**march, "value": Decimal(1000), "currency": "EUR", **fields})
    it.updated_at = DAY
    return it


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"starts_on": date(2026, 3, 2)}, "starts_on"),
        ({"value": Decimal("0.001")}, "value"),
        ({"team_id": new_id()}, "team_id"),
        ({"owner_id": None}, "team_id"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        created(**wrong)
    assert refused.value.field == field


def test_an_amendment_says_what_is_to_be_won_now() -> None:
    quota = created()
    assert quota.amend(at=DAY, value=Decimal(1200)).value == quota.value == 1200
    with pytest.raises(Invalid):
        quota.amend(at=DAY - timedelta(seconds=1), value=Decimal(1))


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        ({}, True),
        ({"starts_on": date(2026, 4, 1)}, False),
        ({"period": QuotaPeriod.QUARTER, "starts_on": date(2026, 1, 1)}, True),
        ({"period": QuotaPeriod.QUARTER, "starts_on": date(2025, 12, 1)}, False),
        ({"period": QuotaPeriod.YEAR, "starts_on": date(2025, 4, 1)}, True),
        ({"period": QuotaPeriod.YEAR, "starts_on": date(2025, 3, 1)}, False),
        ({"currency": "USD"}, False),
        ({"owner_id": new_id()}, False),
        ({"owner_id": None, "team_id": ANN}, False),
    ],
)
def test_quotas_of_one_user_and_month_overlap(other: dict[str, Any], overlaps: bool) -> None:
    march, another = created(), created(**other)
    assert march.overlaps(another) is another.overlaps(march) is overlaps


def test_the_event_of_a_teams_is_one_of_its_own() -> None:
    about: dict[str, Any] = {
        "period": QuotaPeriod.MONTH,
        "starts_on": date(2026, 3, 1),
        "value": Decimal(1),
        "currency": "EUR",
    }
    _, of_team = Quota.create(id=new_id(), at=DAY, team_id=ANN, **about)
    _, of_user = Quota.create(id=new_id(), at=DAY, owner_id=ANN, **about)
    assert isinstance(of_team, QuotaCreatedForTeam)
    assert isinstance(of_user, QuotaCreated)
