from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Invalid, NothingAmended
from kith.ids import new_id
from kith.nouns.aggregate import RecordNotArchived
from sales.exchange_rates.rules import ExchangeRate

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def created(**fields: Any) -> ExchangeRate:
    it, _ = ExchangeRate.create(
        id=new_id(), at=DAY, **{"base": "USD", "quote": "EUR", "rate": Decimal("0.92"), "day": DAY.date(), **fields}
    )
    it.updated_at = DAY
    return it


def test_an_amendment_says_what_changed() -> None:
    it = created()
    event = it.amend(at=DAY, rate=Decimal("0.93"))
    assert (event.changed, event.rate, it.rate) == (["rate"], Decimal("0.93"), Decimal("0.93"))


def test_an_amendment_that_changes_nothing_is_refused() -> None:
    with pytest.raises(NothingAmended):
        created().amend(at=DAY, rate=Decimal("0.92"))


def test_it_is_not_amended_before_its_last_change() -> None:
    with pytest.raises(Invalid):
        created().amend(at=DAY - timedelta(seconds=1), rate=Decimal("0.93"))


def test_one_that_is_archived_can_be_restored() -> None:
    it = created()
    it.archive(at=DAY)
    assert it.archived_at == DAY
    it.restore(at=DAY)
    assert it.archived_at is None
    with pytest.raises(RecordNotArchived):
        it.restore(at=DAY)


def test_a_rate_is_between_two_currencies() -> None:
    with pytest.raises(Invalid, match="two currencies"):
        created(quote="USD")
