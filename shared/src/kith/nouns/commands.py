"""One transaction per request: loads the records its calls name, lets the rules decide call by call, writes everything
at once.

A single command is a batch of one, so bulk and single obey the same rules. A call that a rule refuses leaves no trace
and does not stop the others; any other failure rolls all of them back.
"""

import random
from asyncio import sleep
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from asyncpg import PostgresError
from sqlalchemy import Table, func, insert, select
from sqlalchemy.exc import DBAPIError

from kith.custom.known import forget
from kith.db.connections import Database, Transaction, checked
from kith.db.sqlstates import sqlstate
from kith.errors import NotFound
from kith.ids import new_id
from kith.nouns.append import append
from kith.nouns.batch import carry_out
from kith.nouns.blinding import FORGOTTEN, blinding_of
from kith.nouns.calls import Answer, By, Call, InFlight, KeyReused, Outcome
from kith.nouns.inputs import CUSTOM, NewInput
from kith.nouns.resource import Resource, View
from kith.nouns.unit_of_work import UnitOfWork
from kith.runtime.fairness import FairQueue

T = TypeVar("T")

_LONG, _LONG_AT_A_TIME, _LONG_WAITING, _LONG_SECONDS = 500, 2, 100, 60.0
"""Of requests with more calls a process carries out one of a tenant at a time, and two of all. There is one thread for
all: side by side each would take as long as all of them, with its rows locked and its transaction idle, until the
database ends it. Two, as one may have to wait for its tenant's locks."""

# Unique violation: another request created the same external id. Serialization failure and deadlock are retried too.
_RETRIED = frozenset({"23505", "40001", "40P01"})
_TRIES = 4
_FOREIGN_KEY_VIOLATION = "23503"
_REFUSED_BY_A_POLICY = "42501"
"""Of row-level security: the tenant was removed, if nothing is wrong with us."""
_LEFT_TO_THE_ORDINARY_PATH = _RETRIED | {_FOREIGN_KEY_VIOLATION}


class Commands:
    """Carries out commands on the nouns of one service."""

    def __init__(self, database: Database, *, source: str, outbox: Table, idempotency: Table) -> None:
        self._database = database
        self._source = source
        self._outbox = outbox
        self._keys = idempotency
        self._long = FairQueue(_LONG_AT_A_TIME, waiting=_LONG_WAITING, seconds=_LONG_SECONDS, share=1)

    async def run(
        self, tenant: str, resource: Resource, calls: Sequence[Call], *, by: By
    ) -> tuple[list[Outcome], datetime]:
        """Carries out all calls in one transaction, as what `by` does. Returns an outcome per call, and the instant
        they are recorded at. Raises QueueFull or TimeoutError while there are too many long requests."""

        async def work(transaction: Transaction) -> tuple[list[Outcome], datetime]:
            return await self._batch(transaction, resource, calls, by)

        if len(calls) <= _LONG:
            return await self._retrying(tenant, resource, work)
        async with self._long.slot(tenant):
            return await self._retrying(tenant, resource, work)

    async def run_one(
        self, tenant: str, resource: Resource, call: Call, *, by: By, idempotency_key: str | None = None
    ) -> Answer:
        """Carries out one command, as what `by` does. Raises the DomainError that a rule refuses it with.

        Under an idempotency key a repeated call returns the first one's answer. Raises KeyReused if it is another
        request, InFlight while the first is still running.
        """

        # What may be told of others' records only is looked up before.
        insert_only = resource.insert_only and idempotency_key is None and not by.reach.is_limited
        if insert_only and (answer := await self._append(tenant, resource, call, by.actor)) is not None:
            return answer

        async def work(transaction: Transaction) -> Answer:
            if idempotency_key is None:
                return await self._one(transaction, resource, call, by)
            return await self._once(transaction, resource, call, by, f"key/{idempotency_key}")

        return await self._retrying(tenant, resource, work)

    async def _append(self, tenant: str, resource: Resource, call: Call, actor: str) -> Answer | None:
        """Creates in one statement. Returns None, with nothing written, if a rule or a row refuses it: the ordinary
        path then raises the error, or finds that the call was carried out before."""
        if not resource.stands_alone(call.input) or any(getattr(call.input, held, None) for held in CUSTOM):
            return None
        assert isinstance(call.input, NewInput)
        arguments = call.command.arguments(call.input, tenant, actor)
        aggregate, event = call.command.rule(id=new_id(), at=call.input.occurred_at, **arguments)
        if (external_id := call.input.external_id) is not None:
            aggregate.external_id, aggregate.external_hash = external_id, call.fingerprint(resource)
        try:
            async with self._database.alone(tenant) as connection:
                blinded = external_id and (await blinding_of(connection)).of(tenant, external_id)
                recorded_at = await append(
                    connection,
                    checked(tenant),
                    resource,
                    self._outbox,
                    aggregate,
                    event,
                    actor=actor,
                    occurred_at=call.input.occurred_at,
                    blinded=blinded,
                )
        except PostgresError as error:
            if sqlstate(error) == _REFUSED_BY_A_POLICY:
                await self._database.admit(tenant)
            if sqlstate(error) in _LEFT_TO_THE_ORDINARY_PATH:
                return None
            raise
        return None if recorded_at is None else Answer(resource.view_of(aggregate), recorded_at)

    async def _retrying(self, tenant: str, resource: Resource, work: Callable[[Transaction], Awaitable[T]]) -> T:
        for attempt in range(1, _TRIES + 1):
            try:
                async with self._database.write(tenant) as transaction:
                    return await work(transaction)
            except (DBAPIError, PostgresError) as error:
                if sqlstate(error) not in _RETRIED or attempt == _TRIES:
                    raise
                await sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
            finally:
                if resource.defines_fields:
                    forget(tenant)
        raise AssertionError("the last attempt returns or raises")

    async def _one(self, transaction: Transaction, resource: Resource, call: Call, by: By) -> Answer:
        (outcome,), recorded_at = await self._batch(transaction, resource, [call], by)
        if outcome.error is not None:
            raise outcome.error
        assert outcome.aggregate is not None  # as it was not refused
        return Answer(resource.view_of(outcome.aggregate), recorded_at)

    async def _once(self, transaction: Transaction, resource: Resource, call: Call, by: By, key: str) -> Answer:
        connection, tenant = transaction.connection, transaction.tenant
        # Tried, not waited for: the lock's holder is carrying out the same call at this moment.
        lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"{tenant}/{key}", 0))
        if not await connection.scalar(select(lock)):
            raise InFlight("The first request with this Idempotency-Key is still running.")
        keys = self._keys.c
        known = [key, (await blinding_of(connection)).of(tenant, key)]
        done = (
            await connection.execute(
                select(keys.fingerprint, keys.subject, keys.outcome, keys.recorded_at).where(
                    keys.tenant_id == tenant, keys.key.in_(known)
                )
            )
        ).first()
        if done is not None:
            if done.fingerprint != FORGOTTEN and done.fingerprint not in call.fingerprints(resource):
                raise KeyReused("This Idempotency-Key was used for another request.", field="Idempotency-Key")
            return Answer(await self._remembered(transaction, resource, by, done), done.recorded_at)
        answer = await self._one(transaction, resource, call, by)
        await connection.execute(
            insert(self._keys).values(
                tenant_id=tenant,
                key=key,
                fingerprint=call.fingerprint(resource),
                subject=answer.view.id,
                outcome=msgspec.json.encode(answer.view),
                recorded_at=answer.recorded_at,
            )
        )
        return answer

    async def _remembered(self, transaction: Transaction, resource: Resource, by: By, done: Any) -> View:
        """Returns the first call's answer. Raises NotFound if its record is out of reach now."""
        try:
            view: View | None = msgspec.json.decode(done.outcome, type=resource.view)
        except msgspec.ValidationError:  # code of before remembered it, whose view lacks a field
            view = None
        if view is None or by.reach.is_limited:
            uow = UnitOfWork(transaction, source=self._source, outbox=self._outbox, by=by)
            records = uow.repository(resource)
            await records.load(ids=[done.subject])
            if (found := records.get(done.subject)) is None:
                raise NotFound.of(resource.words, done.subject)
            view = view or resource.view_of(found)
        return view

    async def _batch(
        self, transaction: Transaction, resource: Resource, calls: Sequence[Call], by: By
    ) -> tuple[list[Outcome], datetime]:
        return await carry_out(
            transaction, resource, calls, source=self._source, outbox=self._outbox, idempotency=self._keys, by=by
        )
