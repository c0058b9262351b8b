"""Whose each customer is: by its record as it stands, in whatever order its events come; of a merged one nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.projections.tables import customer_owners
from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerMerged, CustomerUnmerged
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.ids import new_id

BEGIN = at("2026-01-01")


def record(tenant: str, customer: UUID, *events: Event) -> list[Envelope]:
    return [
        happened(each, tenant, BEGIN + timedelta(days=number), customer, aggregate_version=number)
        for number, each in enumerate(events, start=1)
    ]


def owned_by(owner: UUID | None) -> CustomerCreated:
    return CustomerCreated(kind="person", owner_id=owner)


def given_to(owner: UUID | None) -> CustomerAmended:
    return CustomerAmended(changed=["owner"], owner_id=owner)


async def owners(worker: AsyncEngine, tenant: str) -> dict[UUID, UUID]:
    o = customer_owners.c
    async with worker.connect() as connection:
        rows: Any = await connection.execute(select(o.id, o.owner_id).where(o.tenant_id == tenant))
        return dict(tuple(row) for row in rows)


async def test_a_customer_is_the_last_owners(worker: AsyncEngine, fold: Fold, tenant: str, other_tenant: str) -> None:
    ann, bob, one, two, nobodys = (new_id() for _ in range(5))
    first, second, third = record(tenant, one, owned_by(ann), given_to(bob), given_to(ann))
    await fold(first, *record(other_tenant, one, owned_by(bob)), *record(tenant, nobodys, owned_by(None)))
    assert await owners(worker, tenant) == {one: ann}
    await fold(third)
    await fold(second, *record(tenant, two, owned_by(ann), given_to(bob)))
    assert await owners(worker, tenant) == {one: ann, two: bob}
    await fold(*record(tenant, two, owned_by(ann), given_to(bob), given_to(None))[2:])
    assert await owners(worker, tenant) == {one: ann}
    assert await owners(worker, other_tenant) == {one: bob}


async def test_a_merged_customer_is_nobodys_until_it_is_separated(worker: AsyncEngine, fold: Fold, tenant: str) -> None:
    ann, bob, one, two = (new_id() for _ in range(4))
    await fold(*record(tenant, two, owned_by(bob)))
    created, merged, amended, unmerged = record(
        tenant, one, owned_by(ann), CustomerMerged(into=two), given_to(bob), CustomerUnmerged(out_of=two)
    )
    await fold(created, merged)
    assert await owners(worker, tenant) == {two: bob}
    await fold(amended)
    assert await owners(worker, tenant) == {two: bob}
    await fold(unmerged)
    assert await owners(worker, tenant) == {one: bob, two: bob}
