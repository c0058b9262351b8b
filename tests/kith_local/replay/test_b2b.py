from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kith_local.errors import LocalError
from kith_local.replay.b2b import ACCOUNTS, PIPELINE, PRODUCT_LIST, SALES_TEAMS, Decision, map_b2b
from kith_local.replay.commands import (
    CUSTOMERS,
    FIELD_DEFINITIONS,
    OPPORTUNITIES,
    ORDERS,
    PRODUCTS,
    TEAMS,
    USERS,
    Mapped,
    Reference,
)

WON = "1C1I7A6R,Moses Frase,GTX Plus Basic,Cancity,Won,10/20/2016,3/1/2017,1054"
SOME = ("Cancity,retail,2001,718.62,2448,United States,Golddex", "Isdom,technolgy,2002,,,Kenya,")
B2b = Callable[..., Mapped]


@pytest.fixture
def b2b(rows: Callable[..., Any]) -> B2b:
    def mapped(*deals: str, accounts: Sequence[str] = SOME) -> Mapped:
        return map_b2b(
            {
                ACCOUNTS.name: rows(ACCOUNTS, *accounts),
                PRODUCT_LIST.name: rows(PRODUCT_LIST, "GTX Plus Basic,GTX,1096", "GTX Pro,GTX,4821"),
                PIPELINE.name: rows(PIPELINE, *deals),
                SALES_TEAMS.name: rows(SALES_TEAMS, "Moses Frase,Dustin Brinkmann,Central"),
            }
        )

    return mapped


def test_a_won_deal_opens_at_its_list_price_and_is_won_for_its_value(b2b: B2b) -> None:
    opened, won = b2b(WON).commands[OPPORTUNITIES]
    assert (opened.verb, opened.at) == (None, datetime(2016, 10, 20, tzinfo=UTC))
    assert opened.fields == {
        "name": "GTX Plus Basic for Cancity",
        "customer_id": Reference(CUSTOMERS, "Cancity"),
        "stage": "engaging",
        "owner_id": Reference(USERS, "Moses Frase"),
        "product_id": Reference(PRODUCTS, "GTX Plus Basic"),
        "value": Decimal(1096),
        "currency": "USD",
    }
    assert (won.verb, won.at, won.fields) == ("win", datetime(2017, 3, 1, tzinfo=UTC), {"value": Decimal(1054)})


def test_a_won_deal_is_an_order_too(b2b: B2b) -> None:
    (order,) = b2b(WON).commands[ORDERS]
    assert (order.external_id, order.at) == ("1C1I7A6R:order", datetime(2017, 3, 1, tzinfo=UTC))
    assert order.fields["opportunity_id"] == Reference(OPPORTUNITIES, "1C1I7A6R")
    assert order.fields["value"] == Decimal(1054)


def test_what_is_referred_to_is_sent_before(b2b: B2b) -> None:
    assert list(b2b(WON).commands) == [*(TEAMS, USERS, FIELD_DEFINITIONS, CUSTOMERS, PRODUCTS, OPPORTUNITIES, ORDERS)]


def test_a_lost_deal_is_no_order(b2b: B2b) -> None:
    mapped = b2b("EC4QE1BX,Darcel Schlecht,GTX Pro,Cancity,Lost,11/22/2016,3/7/2017,0")
    assert [each.verb for each in mapped.commands[OPPORTUNITIES]] == [None, "lose"]
    assert ORDERS not in mapped.commands


def test_a_deal_still_open_is_left_in_its_stage(b2b: B2b) -> None:
    mapped = b2b(WON, "AA,Moses Frase,GTX Pro,,Engaging,11/1/2016,,", "BB,Moses Frase,GTX Pro,Isdom,Prospecting,,,")
    engaging, prospecting = mapped.commands[OPPORTUNITIES][2:]
    assert (engaging.fields["stage"], engaging.at.month) == ("engaging", 11)
    assert (prospecting.fields["stage"], prospecting.at) == ("prospecting", datetime(2017, 3, 1, tzinfo=UTC))
    assert mapped.decisions[Decision.NO_DATE] == 1


def test_a_deal_without_account_has_no_customer(b2b: B2b) -> None:
    mapped = b2b("AA,Moses Frase,GTX Pro,,Engaging,11/1/2016,,")
    (opportunity,) = mapped.commands[OPPORTUNITIES]
    assert opportunity.fields["customer_id"] is None
    assert mapped.decisions[Decision.NO_ACCOUNT] == 1


def test_gtxpro_is_gtx_pro(b2b: B2b) -> None:
    mapped = b2b("AA,Moses Frase,GTXPro,Isdom,Engaging,11/1/2016,,")
    assert mapped.commands[OPPORTUNITIES][0].fields["product_id"] == Reference(PRODUCTS, "GTX Pro")
    assert mapped.decisions[Decision.PRODUCT_NAME] == 1


def test_an_account_exists_from_its_first_engagement_and_is_kept_as_written(b2b: B2b) -> None:
    mapped = b2b(WON, "AA,Moses Frase,GTXPro,Cancity,Engaging,10/1/2016,,")
    cancity, isdom = mapped.commands[CUSTOMERS]
    assert cancity.at == datetime(2016, 10, 1, tzinfo=UTC)
    assert isdom.at == datetime(2017, 3, 1, tzinfo=UTC)
    assert isdom.fields["segment"] == "technolgy"
    assert (mapped.decisions[Decision.MISSPELT], mapped.decisions[Decision.UNENGAGED_ACCOUNT]) == (1, 1)


def test_what_a_customer_has_no_field_for_is_a_custom_field(b2b: B2b) -> None:
    commands = b2b(WON).commands
    assert [each.fields["code"] for each in commands[FIELD_DEFINITIONS]] == ["year_established", "revenue", "employees"]
    cancity, isdom = commands[CUSTOMERS]
    assert cancity.fields["custom"] == {"year_established": 2001, "revenue": 718.62, "employees": 2448}
    assert isdom.fields["custom"] == {"year_established": 2002}


def test_a_subsidiary_goes_after_its_parent(b2b: B2b) -> None:
    accounts = ("A,retail,,,,Kenya,B", "B,retail,,,,Kenya,C", "C,retail,,,,Kenya,", "D,retail,,,,Kenya,Nobody")
    mapped = b2b(WON, accounts=accounts)
    parents = {each.external_id: each.fields.get("parent_id") for each in mapped.commands[CUSTOMERS]}
    assert parents == {
        "C": None,
        "D": None,
        "B": Reference(CUSTOMERS, "C"),
        "A": Reference(CUSTOMERS, "B"),
        "Cancity": None,
    }
    assert list(parents).index("C") < list(parents).index("B") < list(parents).index("A")
    assert (mapped.decisions[Decision.SUBSIDIARY], mapped.decisions[Decision.UNKNOWN_PARENT]) == (2, 1)


def test_an_account_within_itself_has_no_parent(b2b: B2b) -> None:
    mapped = b2b(WON, accounts=("A,retail,,,,Kenya,B", "B,retail,,,,Kenya,A"))
    assert {each.fields.get("parent_id") for each in mapped.commands[CUSTOMERS]} == {None}
    assert mapped.decisions[Decision.UNKNOWN_PARENT] == 2


def test_who_sells_is_a_user_in_the_managers_team_of_the_office(b2b: B2b) -> None:
    mapped = b2b(WON, "AA,Nobody Known,GTX Pro,,Engaging,11/1/2016,,")
    teams = {each.external_id: each.fields["parent_id"] for each in mapped.commands[TEAMS]}
    assert teams == {"Central": None, "Team of Dustin Brinkmann": Reference(TEAMS, "Central")}
    of_manager = Reference(TEAMS, "Team of Dustin Brinkmann")
    assert {each.external_id: each.fields["team_id"] for each in mapped.commands[USERS]} == {
        "Dustin Brinkmann": of_manager,
        "Moses Frase": of_manager,
        "Nobody Known": None,
    }
    assert [mapped.decisions[each] for each in (Decision.AGENT, Decision.TEAM, Decision.NO_TEAM)] == [2, 1, 1]


def test_an_account_known_from_the_pipeline_only_is_a_customer(b2b: B2b) -> None:
    mapped = b2b("AA,Moses Frase,GTX Pro,Newcomer,Engaging,11/1/2016,,")
    assert mapped.commands[CUSTOMERS][-1].fields == {"kind": "organisation", "name": "Newcomer"}
    assert mapped.decisions[Decision.UNKNOWN_ACCOUNT] == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("AA,M,GTX Ultra,Isdom,Engaging,11/1/2016,,", "product: is none of the products"),
        ("AA,M,GTX Pro,Isdom,Dreaming,11/1/2016,,", "deal_stage: is none of Prospecting, Engaging, Won, Lost"),
        ("AA,M,GTX Pro,Isdom,Engaging,,,", "engage_date: is no time like %m/%d/%Y"),
        ("AA,M,GTX Pro,Isdom,Won,11/1/2016,10/1/2016,5", "close_date: is before engage_date"),
        ("AA,M,GTX Pro,Isdom,Won,11/1/2016,12/1/2016,-5", "close_value: is below zero"),
    ],
)
def test_a_bad_deal_is_reported_and_the_rest_goes_on(b2b: B2b, bad: str, reason: str) -> None:
    mapped = b2b(bad, WON)
    assert [(each.origin.line, each.reason) for each in mapped.rejected] == [(2, reason)]
    assert [each.external_id for each in mapped.commands[ORDERS]] == ["1C1I7A6R:order"]


def test_a_pipeline_without_any_date_is_refused(b2b: B2b) -> None:
    with pytest.raises(LocalError, match="no row with a date"):
        b2b("BB,Moses Frase,GTX Pro,Isdom,Prospecting,,,")
