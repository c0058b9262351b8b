"""What playbooks ask for, on a bus, and one service's worker that hears it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.kith.adapters import SESSION
from tests.kith.consumer.world import PATIENCE, eventually

from kith.bus.embedded import EmbeddedBus
from kith.bus.port import Bus, Outgoing
from kith.consumer import Subscription, run
from kith.consumer.tables import TABLES
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.analytics import ActionRequested
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.ids import new_id
from kith.runtime.service import Service
from kith_local.postgres import EmbeddedPostgres


@dataclass
class Hearing:
    """The service's subscription, with a topic and a group of this test's own."""

    service: Service
    engine: AsyncEngine
    bus: Bus
    subscription: Subscription = field(init=False)
    published: int = 0

    def __post_init__(self) -> None:
        name = f"test-{uuid4().hex}"
        (subscription,) = self.service.subscriptions
        self.subscription = replace(subscription, group=name, topics=(name,))

    async def hears(self, *envelopes: Envelope) -> None:
        """They are on the bus before the worker starts, so they come in one batch; then it stops."""
        (topic,) = self.subscription.topics
        await self.bus.create_topics({topic: 1})
        async with self.bus.producer() as producer:
            await producer.publish([Outgoing(topic, each.key(), each.data, each.headers()) for each in envelopes])
        self.published += len(envelopes)
        stop = asyncio.Event()
        worker = asyncio.create_task(run(self.subscription, self.bus, self.engine, stop=stop))
        try:
            await eventually(self._all_done)
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await worker
        finally:
            worker.cancel()

    async def _all_done(self) -> bool:
        offsets = TABLES.offsets.c
        async with self.engine.connect() as connection:
            reached = select(offsets.next_offset).where(offsets.group_name == self.subscription.group)
            return await connection.scalar(reached) == self.published

    async def reasons(self) -> list[str]:
        """Of its dead letters."""
        dead_letters = TABLES.dead_letters.c
        async with self.engine.connect() as connection:
            found = (
                select(dead_letters.reason)
                .where(dead_letters.group_name == self.subscription.group)
                .order_by(dead_letters.id)
            )
            return list(await connection.scalars(found))

    async def outbox_of(self, tenant: str) -> Sequence[Row[Any]]:
        """The service's outbox, as far as it is the tenant's."""
        outbox = self.service.outbox
        async with self.engine.connect() as connection:
            rows = select(outbox).where(outbox.c.tenant_id == tenant).order_by(outbox.c.seq)
            return (await connection.execute(rows)).all()


@asynccontextmanager
async def hearing(service: Service, postgres: EmbeddedPostgres) -> AsyncIterator[Hearing]:
    bus_url = postgres.url("playbooks_bus")
    await asyncio.to_thread(postgres.create_databases, "playbooks_bus")
    engine = create_engine(
        postgres.url(f"kith_{service.package}"), role=WORKER_ROLE, pool_size=5, application="test worker"
    )
    async with EmbeddedBus(bus_url, session=SESSION) as bus:
        yield Hearing(service, engine, bus)
    await engine.dispose()


def action_requested(tenant: str, kind: str, *, trace: int | None = None, **fields: Any) -> Envelope:
    """An action that a playbook wants for a customer."""
    action = ActionRequested(
        **{
            "kind": kind,
            "playbook_id": new_id(),
            "run_id": new_id(),
            "trigger": "band_changed",
            "title": "Find out what is wrong",
            **fields,
        }
    )
    now = datetime.now(UTC)
    return Envelope(
        id=new_id(),
        source="analytics",
        type=ActionRequested.type,
        subject=new_id(),
        time=now,
        tenant_id=tenant,
        customer_id=new_id(),
        aggregate_version=1,
        recorded_at=now,
        traceparent=None if trace is None else f"00-{trace:032x}-{trace:016x}-01",
        data=msgspec.json.encode(action),
    )


def of_customer(tenant: str, customer: UUID, event: Event) -> Envelope:
    """An event of a customer, as contacts publishes it."""
    now = datetime.now(UTC)
    return Envelope(
        id=new_id(),
        source="contacts",
        type=event.type,
        subject=customer,
        time=now,
        tenant_id=tenant,
        customer_id=customer,
        aggregate_version=1,
        recorded_at=now,
        traceparent=None,
        data=msgspec.json.encode(event),
    )
