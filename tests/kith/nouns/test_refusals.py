"""What a rule refuses leaves no trace, whatever it has changed by then and however deep that lies."""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from contacts.customers.form import CUSTOMERS, CreateCustomer
from contacts.customers.rules import Customer, CustomerKind
from contacts.service import SERVICE
from contacts.tenant_settings.form import SETTINGS, AmendSettings
from contacts.tenant_settings.rules import ActivityRule, SegmentActivity, Settings
from kith.db.connections import Database
from kith.errors import Conflict
from kith.events.contacts import CustomerCreated, SettingsChanged
from kith.ids import new_id
from kith.nouns.aggregate import Aggregate
from kith.nouns.calls import By, Call, Outcome, Status
from kith.nouns.commands import Commands
from kith.nouns.resource import Command, Resource
from kith.reach import EVERYONE
from kith.runtime.service import Service
from kith_local.postgres import EmbeddedPostgres

AT = datetime(2026, 1, 1, tzinfo=UTC)
ORDERED = "sales.order.placed.v1"


@dataclass
class Inner:
    items: Any = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Noun(Aggregate):
    """Something that has what is changed in place."""

    kept: Any = None


LEAVES = st.none() | st.integers() | st.text(max_size=3) | st.datetimes()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Inner, inner)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=12,
)


def spoil(value: Any) -> None:
    """Change in place all that can be, however deep."""
    match value:
        case list() | tuple():
            inner = list(value)
        case dict():
            inner = list(value.values())
        case _ if is_dataclass(value):
            inner = list(vars(value).values())
        case _:
            inner = []
    for each in inner:
        spoil(each)
    match value:
        case list():
            value.append("spoilt")
        case set():
            value.add("spoilt")
        case dict():
            value["spoilt"] = True
        case _ if is_dataclass(value):
            vars(value).update(dict.fromkeys(vars(value), "spoilt"))


@given(kept=VALUES)
def test_what_is_changed_of_a_copy_leaves_the_aggregate_as_it_is(kept: Any) -> None:
    aggregate = Noun(id=new_id(), kept=kept)
    before = deepcopy(kept)
    spoil(aggregate.copy().kept)
    assert aggregate.kept == before


def spoilt(self: Settings, *, at: datetime, **fields: Any) -> SettingsChanged:
    self.ensure_not_before_last_change(at)
    spoil(self)
    spoil(fields)
    raise Conflict("Refused half-way.")


def spoilt_new(*, id: Any, at: datetime, **fields: Any) -> tuple[Customer, CustomerCreated]:
    spoil(fields)
    raise Conflict(f"Refused half-way: {id} at {at}.")


SPOIL = Command("spoil", AmendSettings, spoilt)
SPOILT_SETTINGS = replace(SETTINGS, commands=(*SETTINGS.commands, SPOIL))
SPOILT_CUSTOMERS = replace(CUSTOMERS, commands=(Command("create", CreateCustomer, spoilt_new),))


async def carry_out(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]],
    postgres: EmbeddedPostgres,
    tenant: str,
    resource: Resource,
    calls: list[Call],
) -> list[Outcome]:
    await serve(SERVICE)
    database = Database(postgres.url("kith_contacts"), pool_size=1, application="test")
    commands = Commands(database, source="contacts", outbox=SERVICE.outbox, idempotency=SERVICE.idempotency)
    try:
        outcomes, _ = await commands.run(tenant, resource, calls, by=By("service:test", EVERYONE))
    finally:
        await database.close()
    return outcomes


async def test_what_a_rule_refuses_leaves_no_trace(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres, tenant: str
) -> None:
    rule = {"event_types": [ORDERED], "window_days": 30}
    (amend, _), id = SPOILT_SETTINGS.commands, Settings.singleton(tenant).id
    given = AmendSettings.model_validate(
        {"activity": rule, "segment_activity": [{"segment": "gold", **rule}], "occurred_at": AT}
    )
    zone = AmendSettings.model_validate({"time_zone": "Europe/Vienna"})
    calls = [Call(amend, given, id=id), Call(SPOIL, given, id=id), Call(amend, zone, id=id), Call(SPOIL, zone, id=id)]
    outcomes = await carry_out(serve, postgres, tenant, SPOILT_SETTINGS, calls)
    assert [each.status for each in outcomes] == [Status.ACCEPTED, Status.REJECTED] * 2
    (again,) = await carry_out(serve, postgres, tenant, SPOILT_SETTINGS, [Call(SPOIL, zone, id=id)])
    assert again.status is Status.REJECTED
    fresh = AmendSettings.model_validate({"currency": "EUR"})
    (stored,) = await carry_out(serve, postgres, tenant, SETTINGS, [Call(amend, fresh, id=id)])
    for kept in (outcomes[2].aggregate, stored.aggregate):
        assert isinstance(kept, Settings)
        assert kept.activity == ActivityRule([ORDERED], 30)
        assert kept.segment_activity == [SegmentActivity("gold", [ORDERED], 30)]


async def test_nor_on_what_was_sent(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres, tenant: str
) -> None:
    """The same is tried again when others were in the way, and recognised by what was sent."""
    sent = CreateCustomer(kind=CustomerKind.PERSON, name="Ada", tags=["gold"])
    (create,) = SPOILT_CUSTOMERS.commands
    (outcome,) = await carry_out(serve, postgres, tenant, SPOILT_CUSTOMERS, [Call(create, sent)])
    assert outcome.status is Status.REJECTED
    assert sent.tags == ["gold"]
