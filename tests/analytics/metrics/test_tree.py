"""Figures over the tree of customers, held against plain Python over the same events."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import Fold, at, happened

from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerMerged
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
BOUGHT = OrderPlaced(value=Decimal(10), currency="EUR")
BEGIN, END = at("2020-01-01"), at("2021-01-01")


class Trees:
    """Customers, who they are a part of and since when, and who bought."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.events: list[Envelope] = []
        self.parents: dict[UUID, list[tuple[datetime, UUID | None]]] = {}
        self.merged: dict[UUID, UUID] = {}
        self.orders: list[tuple[UUID, datetime]] = []

    def made(self, parent: UUID | None = None, *, since: datetime = BEGIN) -> UUID:
        id = new_id()
        self.parents[id] = [(since, parent)]
        self._add(CustomerCreated(kind="organisation", parent_id=parent), since, id)
        return id

    def moved(self, id: UUID, parent: UUID | None, since: datetime) -> None:
        self.parents[id].append((since, parent))
        self._add(CustomerAmended(changed=["parent_id"], parent_id=parent), since, id, len(self.parents[id]))

    def merge(self, id: UUID, into: UUID, since: datetime) -> None:
        self.merged[id] = into
        self._add(CustomerMerged(into=into), since, id, len(self.parents[id]) + 1)

    def bought(self, id: UUID, when: datetime) -> None:
        self.orders.append((id, when))
        self.events.append(happened(BOUGHT, self.tenant, when, id))

    def _add(self, event: Any, since: datetime, id: UUID, version: int = 1) -> None:
        self.events.append(happened(event, self.tenant, since, id, aggregate_version=version))

    def chain(self, id: UUID, end: datetime) -> list[UUID]:
        """The customer and all above it."""
        found = [self.merged.get(id, id)]
        while (parent := self._parent(found[-1], end)) is not None:
            if parent in found:
                break
            found.append(parent)
        return found

    def _parent(self, id: UUID, end: datetime) -> UUID | None:
        (_, first), *later = self.parents.get(id, [(BEGIN, None)])
        parent = next((parent for since, parent in reversed(later) if since < end), first)
        parent = self.merged.get(parent, parent) if parent else None
        return None if parent == id else parent

    def top(self, id: UUID, end: datetime) -> UUID:
        chain = self.chain(id, end)
        is_circle = self._parent(chain[-1], end) is not None
        return chain[0] if is_circle else chain[-1]

    def by_top(self, end: datetime) -> dict[str, int]:
        return Counter(str(self.top(id, end)) for id, when in self.orders if when < end)

    def number_within(self, of: UUID, end: datetime) -> int:
        return sum(self.merged.get(of, of) in self.chain(id, end) for id, when in self.orders if when < end)


@pytest.fixture
def ask(analytics: httpx.AsyncClient, mine: Headers) -> Any:
    async def of(end: datetime = END, id: str = "orders", headers: Headers = mine, **params: Any) -> Any:
        interval = {"from": "2019-01-01T00:00:00Z", "to": end.isoformat()}
        answer = await analytics.get(f"/v1/metrics/{id}", params=interval | params, headers=headers)
        assert answer.status_code in (200, 422), answer.text
        return answer.json()

    return of


def groups(figure: Any) -> dict[str | None, float]:
    return {part["group"][0]["value"]: part["value"] for part in figure["breakdown"]}


@pytest.mark.parametrize("seed", [1, 2])
async def test_figures_are_as_of_the_end_whatever_moved_or_was_merged(
    ask: Any, fold: Fold, tenant: str, seed: int
) -> None:
    """Circles, which events may tell of, among them."""
    dice, trees = random.Random(seed), Trees(tenant)
    people = [trees.made()]
    for _ in range(13):
        people.append(trees.made(dice.choice([*people, None])))
    for _ in range(12):
        since = max(when for id in people for when, _ in trees.parents[id]) + timedelta(days=9)
        trees.moved(dice.choice(people), dice.choice([*people, None]), since)
    for id in people:
        trees.bought(id, BEGIN + timedelta(days=dice.random() * 100))
    gone, kept = dice.sample(people, 2)
    trees.merge(gone, kept, at("2020-12-01"))
    dice.shuffle(trees.events)
    await fold(*trees.events[:20])
    await fold(*trees.events[20:])
    for day in (30, 60, 90, 300):
        end = BEGIN + timedelta(days=day)
        figure = await ask(end, groupBy="ultimate_parent")
        assert groups(figure) == trees.by_top(end)
        assert figure["value"] == sum(trees.by_top(end).values())
        assert groups(await ask(end, groupBy="ultimate_parent", knownAt=datetime.now(UTC).isoformat())) == groups(
            figure
        )
        for id in (gone, kept, *dice.sample(people, 2)):
            number = trees.number_within(id, end)
            assert (await ask(end, filter=f"within:{id}"))["value"] == number
            assert (await ask(end, filter=f"within:!{id}"))["value"] == figure["value"] - number


async def test_a_tree_of_ten_levels_is_one_and_another_tenant_has_none_of_it(
    ask: Any, fold: Fold, tenant: str, theirs: Headers
) -> None:
    trees = Trees(tenant)
    levels = [trees.made()]
    for _ in range(9):
        levels.append(trees.made(levels[-1]))
    trees.bought(levels[-1], at("2020-06-01"))
    await fold(*trees.events)
    for id in ("orders", "revenue", "customers.active", "retention.crr", "clv.historic", "loyalty.loyal_share"):
        end = at("2020-07-01")
        figure = await ask(end, id, groupBy=["ultimate_parent", "kind"], filter=f"within:{levels[4]}")
        assert groups(figure) in ({str(levels[0]): figure["value"]}, {}), id
    assert (await ask(filter=f"within:{levels[0]}", headers=theirs))["value"] == 0
    by_several = await ask(filter=f"within:{new_id()},{levels[9]}")
    assert by_several["value"] == 1


async def test_what_says_no_parent_harms_no_figure(ask: Any, fold: Fold, tenant: str) -> None:
    for parent in (b'"nobody"', b"7", b"null", b'{"id": 1}', b'""'):
        id = new_id()
        data = b'{"kind": "organisation", "parent_id": %s}' % parent
        await fold(
            happened(CustomerCreated(kind="organisation"), tenant, BEGIN, id, data=data),
            happened(BOUGHT, tenant, BEGIN, id),
        )
    await fold(happened(BOUGHT, tenant, BEGIN, None), happened(BOUGHT, tenant, BEGIN, new_id()))
    found = groups(await ask(groupBy="ultimate_parent"))
    assert found.pop(None) == 1
    assert list(found.values()) == [1] * 6


@pytest.mark.parametrize(
    ("params", "field", "rule"),
    [
        ({"groupBy": "within"}, "groupBy", "orders cannot be sliced by 'within', only by"),
        ({"filter": "within:me"}, "filter", "within names customers by their ids, and 'me' is none."),
        ({"filter": "ultimate_parent:me"}, "filter", "ultimate_parent names customers by their ids"),
        ({"filter": "within:"}, "filter", "within names customers by their ids, and '' is none."),
    ],
)
async def test_what_names_no_customer_is_refused(ask: Any, params: Any, field: str, rule: str) -> None:
    (error,) = (await ask(**params))["errors"]
    assert error["field"] == field
    assert error["rule"].startswith(rule)
