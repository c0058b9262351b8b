from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kith_local.replay.commands import CUSTOMERS, FIELD_DEFINITIONS, SUBSCRIPTIONS, USAGES, Mapped, Reference
from kith_local.replay.saas import ACCOUNTS, CHURNED, SUBSCRIBED, USES, Decision, map_saas

Saas = Callable[..., Mapped]
PAID = "S-1,A-1,2023-08-18,2024-04-12,Pro,14,2786,FALSE,TRUE,FALSE,annual,TRUE"
ACCOUNT = "A-1,Company_1,FinTech,IN,2023-08-17,partner,Basic,18,FALSE,TRUE"


@pytest.fixture
def saas(rows: Callable[..., Any]) -> Saas:
    def mapped(*uses: str, accounts: tuple[str, ...] = (ACCOUNT,), paid: str = PAID) -> Mapped:
        return map_saas(
            {
                ACCOUNTS.name: rows(ACCOUNTS, *accounts),
                SUBSCRIBED.name: rows(SUBSCRIBED, paid, paid.replace("S-1,A-1", "S-2,A-2")),
                CHURNED.name: rows(CHURNED, "A-1,2024-04-12,pricing"),
                USES.name: rows(USES, *uses),
            }
        )

    return mapped


def test_an_account_is_an_organisation_from_its_signup_on(saas: Saas) -> None:
    mapped = saas(accounts=(ACCOUNT, "A-2,Company_2,EdTech,US,2024-10-16,ads,Pro,9,TRUE,FALSE"))
    first, trial = mapped.commands[CUSTOMERS]
    assert (first.external_id, first.at) == ("A-1", datetime(2023, 8, 17, tzinfo=UTC))
    assert first.fields == {
        "kind": "organisation",
        "name": "Company_1",
        "industry": "FinTech",
        "country": "IN",
        "source": "partner",
        "tier": "Basic",
        "stage": "customer",
        "custom": {"seats": 18},
    }
    assert trial.fields["stage"] == "prospect"
    assert [each.external_id for each in mapped.commands[FIELD_DEFINITIONS]] == ["customer.seats"]
    assert (mapped.decisions[Decision.TRIAL], mapped.decisions[Decision.CHURN]) == (1, 1)


def test_a_use_is_of_its_subscriptions_account(saas: Saas) -> None:
    mapped = saas("U-1,S-1,2023-07-27,feature_20,9,5004,0,False")
    (use,) = mapped.commands[USAGES]
    assert (use.external_id, use.at) == ("U-1", datetime(2023, 7, 27, tzinfo=UTC))
    assert use.fields == {
        "customer_id": Reference(CUSTOMERS, "A-1"),
        "product": "Pro",
        "feature": "feature_20",
        "uses": 9,
        "duration_seconds": 5004,
        "failures": 0,
    }
    assert mapped.decisions[Decision.BEFORE_SIGNUP] == 1


def test_a_use_whose_id_came_before_stands_for_itself(saas: Saas) -> None:
    mapped = saas("U-1,S-1,2024-01-01,f,1,1,0,False", "U-1,S-1,2024-01-02,f,1,1,3,True")
    assert [each.external_id for each in mapped.commands[USAGES]] == ["U-1", "U-1/2"]
    decided = (Decision.SAME_ID, Decision.FAILURES, Decision.BETA, Decision.BEFORE_SIGNUP)
    assert [mapped.decisions[each] for each in decided] == [1, 1, 1, 0]


def test_where_nothing_was_used_nothing_is_sent(saas: Saas) -> None:
    mapped = saas("U-1,S-1,2024-01-01,f,0,1,0,False")
    assert USAGES not in mapped.commands
    assert (mapped.decisions[Decision.NO_USE], mapped.decisions[Decision.USE]) == (1, 0)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("U-1,S-9,2024-01-01,f,1,1,0,False", "subscription_id: is none of the subscriptions"),
        ("U-1,S-2,2024-01-01,f,1,1,0,False", "subscription_id: is of none of the accounts"),
        ("U-1,S-1,1/1/2024,f,1,1,0,False", "usage_date: is no time like %Y-%m-%d"),
        ("U-1,S-1,2024-01-01,f,-1,1,0,False", "usage_count: is no whole number, zero or more"),
        ("U-1,S-1,2024-01-01,f,1,1,0,perhaps", "is_beta_feature: is neither true nor false"),
    ],
)
def test_a_bad_use_is_reported_and_the_rest_goes_on(saas: Saas, bad: str, reason: str) -> None:
    mapped = saas(bad, "U-2,S-1,2024-01-01,f,1,1,0,False")
    assert (2, reason) in [(each.origin.line, each.reason) for each in mapped.rejected]
    assert "U-2" in [each.external_id for each in mapped.commands[USAGES]]


def test_a_subscription_starts_and_is_cancelled_for_the_reason_of_that_day(saas: Saas) -> None:
    mapped = saas()
    started, cancelled = mapped.commands[SUBSCRIPTIONS]
    assert (started.external_id, started.at) == ("S-1", datetime(2023, 8, 18, tzinfo=UTC))
    assert started.fields == {
        "customer_id": Reference(CUSTOMERS, "A-1"),
        "plan": "Pro",
        "seats": 14,
        "unit_price": 199 * 12,
        "currency": "USD",
        "billing_period": "yearly",
        "trial": False,
        "auto_renew": True,
    }
    assert (cancelled.verb, cancelled.at) == ("cancel", datetime(2024, 4, 12, tzinfo=UTC))
    assert cancelled.fields == {"reason": "pricing"}
    decided = (Decision.SUBSCRIPTION, Decision.YEARLY, Decision.ON_TRIAL, Decision.ENDED, Decision.REASON)
    assert [mapped.decisions[each] for each in decided] == [1, 1, 0, 1, 1]
    assert [each.reason for each in mapped.rejected] == ["account_id: is none of the accounts"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",14,", ",0,", "seats: is no number of seats"),
        ("2024-04-12", "2023-04-12", "end_date: is before start_date"),
        ("2786", "x", "mrr_amount: "),
    ],
)
def test_a_bad_subscription_is_reported(saas: Saas, old: str, new: str, reason: str) -> None:
    assert any(each.reason.startswith(reason) for each in saas(paid=PAID.replace(old, new)).rejected)
