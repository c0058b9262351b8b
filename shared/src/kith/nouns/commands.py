"""One transaction per request: load what its calls name, let the rules decide call by call, write everything at once.

A single command is a batch of one, so bulk and single obey the same rules. A call that a rule refuses leaves no trace
and does not stop the others; anything else that fails undoes all of them.
"""

import random
from asyncio import sleep
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from asyncpg import PostgresError
from sqlalchemy import ARRAY, Table, Uuid, any_, cast, func, insert, select
from sqlalchemy.exc import DBAPIError

from kith.db.connections import Database, Transaction, checked, streamed
from kith.db.sqlstates import sqlstate
from kith.db.tables import TenantId
from kith.error_codes import ErrorCode
from kith.errors import Conflict, DomainError, Invalid, NotFound, VersionMismatch
from kith.ids import new_id
from kith.nouns.aggregate import Aggregate, unshared
from kith.nouns.fingerprints import are_alike, as_spelt, fingerprint, is_odd
from kith.nouns.inputs import Input, NewInput
from kith.nouns.resource import Check, Command, Resource, View
from kith.nouns.unit_of_work import Repository, UnitOfWork, append
from kith.runtime.slices import in_pieces, in_slices

T = TypeVar("T")

# Unique violation: another request created the same external id. Serialization failure and deadlock: try again too.
_RETRIED = frozenset({"23505", "40001", "40P01"})
_TRIES = 4
_FOREIGN_KEY_VIOLATION = "23503"
_LEFT_TO_THE_ORDINARY_PATH = _RETRIED | {_FOREIGN_KEY_VIOLATION}


class Status(StrEnum):
    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Call:
    """A command to carry out, and on what. One that creates names nothing: its input has the external id."""

    command: Command
    input: Input
    id: UUID | None = None
    external_id: str | None = None
    expected_version: int | None = None
    remembered: bool = False
    """Sent again, it is recognised and not done again (calls that create are, by their external id)."""

    sent: bytes = b""
    """Its body as it was spelt, where that is known: earlier versions took it for another if it was spelt otherwise."""

    def fingerprint(self, resource: Resource) -> int:
        return fingerprint(f"{resource.plural}/{self.command.name}/{self.id}", self.input)

    def as_spelt(self) -> "Call":
        """As an earlier version had it, with the fingerprint and the key of then."""
        return replace(self, input=as_spelt(self.input, self.sent)) if is_odd(self.sent) else self

    def key(self, resource: Resource) -> str:
        return f"{resource.plural}/{self.external_id or self.id}/{self.command.name}/{self.input.occurred_at}"


class Outcome(NamedTuple):
    status: Status
    aggregate: Aggregate | None = None
    error: DomainError | None = None
    events: int = 0


class Answer(NamedTuple):
    """Of a single command: how the aggregate looks now, and when it was recorded."""

    view: View
    recorded_at: datetime


class InFlight(Conflict):
    code = ErrorCode.IDEMPOTENCY_KEY_IN_FLIGHT


class KeyReused(Invalid):
    code = ErrorCode.IDEMPOTENCY_KEY_REUSED


class Commands:
    """Carries out commands on the nouns of one service."""

    def __init__(self, database: Database, *, source: str, outbox: Table, idempotency: Table) -> None:
        self._database = database
        self._source = source
        self._outbox = outbox
        self._keys = idempotency

    async def run(self, tenant: str, resource: Resource, calls: Sequence[Call]) -> tuple[list[Outcome], datetime]:
        """Carries out all in one transaction. Returns an outcome per call, and the instant they are recorded at."""

        async def work(transaction: Transaction) -> tuple[list[Outcome], datetime]:
            return await self._batch(transaction, resource, calls)

        return await self._retrying(tenant, work)

    async def run_one(
        self, tenant: str, resource: Resource, call: Call, *, idempotency_key: str | None = None
    ) -> Answer:
        """Carry out one command. Raises the DomainError that stood in the way.

        Under an idempotency key the second call returns what the first did; KeyReused if it is another request,
        InFlight while the first is still running.
        """

        insert_only = resource.insert_only and idempotency_key is None
        if insert_only and (answer := await self._append(tenant, resource, call)) is not None:
            return answer

        async def work(transaction: Transaction) -> Answer:
            if idempotency_key is None:
                return await self._one(transaction, resource, call)
            return await self._once(transaction, resource, call, f"key/{idempotency_key}")

        return await self._retrying(tenant, work)

    async def _append(self, tenant: str, resource: Resource, call: Call) -> Answer | None:
        """Create in one statement; or None, with nothing written, if something stands in the way: the ordinary path
        raises what it is, or finds that it was done before."""
        if not resource.stands_alone(call.input):
            return None
        assert isinstance(call.input, NewInput)
        aggregate, event = call.command.rule(id=new_id(), at=call.input.occurred_at, **unshared(call.input.fields()))
        if (external_id := call.input.external_id) is not None:
            aggregate.external_id, aggregate.external_hash = external_id, call.fingerprint(resource)
        try:
            async with self._database.alone(tenant) as connection:
                recorded_at = await append(
                    connection,
                    checked(tenant),
                    resource,
                    self._outbox,
                    aggregate,
                    event,
                    occurred_at=call.input.occurred_at,
                )
        except PostgresError as error:
            if sqlstate(error) in _LEFT_TO_THE_ORDINARY_PATH:
                return None
            raise
        return None if recorded_at is None else Answer(as_view(resource, aggregate), recorded_at)

    async def _retrying(self, tenant: str, work: Callable[[Transaction], Awaitable[T]]) -> T:
        for attempt in range(1, _TRIES + 1):
            try:
                async with self._database.write(tenant) as transaction:
                    return await work(transaction)
            except (DBAPIError, PostgresError) as error:
                if sqlstate(error) not in _RETRIED or attempt == _TRIES:
                    raise
                await sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("the last attempt returns or raises")

    async def _one(self, transaction: Transaction, resource: Resource, call: Call) -> Answer:
        (outcome,), recorded_at = await self._batch(transaction, resource, [call])
        if outcome.error is not None:
            raise outcome.error
        return Answer(as_view(resource, outcome.aggregate), recorded_at)

    async def _once(self, transaction: Transaction, resource: Resource, call: Call, key: str) -> Answer:
        connection, tenant = transaction.connection, transaction.tenant
        # Tried, not waited for: its holder is doing the same thing at this moment.
        lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"{tenant}/{key}", 0))
        if not await connection.scalar(select(lock)):
            raise InFlight("The first request with this Idempotency-Key is still running.")
        fingerprint, keys = call.fingerprint(resource), self._keys.c
        done = (
            await connection.execute(
                select(keys.fingerprint, keys.outcome, keys.recorded_at).where(
                    keys.tenant_id == tenant, keys.key == key
                )
            )
        ).one_or_none()
        if done is not None:
            if done.fingerprint not in (fingerprint, call.as_spelt().fingerprint(resource)):
                raise KeyReused("This Idempotency-Key was used for another request.", field="Idempotency-Key")
            return Answer(msgspec.json.decode(done.outcome, type=resource.view), done.recorded_at)
        answer = await self._one(transaction, resource, call)
        await connection.execute(
            insert(self._keys).values(
                tenant_id=tenant,
                key=key,
                fingerprint=fingerprint,
                subject=answer.view.id,
                outcome=msgspec.json.encode(answer.view),
                recorded_at=answer.recorded_at,
            )
        )
        return answer

    async def _batch(
        self, transaction: Transaction, resource: Resource, calls: Sequence[Call]
    ) -> tuple[list[Outcome], datetime]:
        return await carry_out(
            transaction, resource, calls, source=self._source, outbox=self._outbox, idempotency=self._keys
        )


async def carry_out(
    transaction: Transaction,
    resource: Resource,
    calls: Sequence[Call],
    *,
    source: str,
    outbox: Table,
    idempotency: Table,
) -> tuple[list[Outcome], datetime]:
    """Carries out all in a transaction that is another's to commit, a consumer's for one
    (kith.db.connections.acting_for). Returns an outcome per call, and the instant they are recorded at."""
    uow = UnitOfWork(transaction, source=source, outbox=outbox)
    batch = _Batch(uow, resource, idempotency)
    await batch.load(calls)
    outcomes = [batch.carry_out(call) async for call in in_slices(calls)]
    await batch.flush()
    return outcomes, uow.now


class _Batch:
    """What a run of calls needs to know beforehand, then the calls themselves, without I/O between them."""

    def __init__(self, uow: UnitOfWork, resource: Resource, keys: Table) -> None:
        self._uow = uow
        self._resource = resource
        self._keys = keys
        self._repository: Repository = uow.repository(resource)
        self._done: dict[str, int] = {}
        self._new_keys: list[dict[str, Any]] = []
        self._named: dict[str, dict[UUID, Any]] = {}
        """By field: the records that the calls name, as far as there are such."""
        self._check: Check = lambda _: None

    async def load(self, calls: Sequence[Call]) -> None:
        external_ids = {external for call in calls if (external := _external_id(call)) is not None}
        await self._repository.load(ids={call.id for call in calls if call.id is not None}, external_ids=external_ids)
        remembered: set[str] = set()
        async for call in in_slices(calls):
            if call.remembered and not call.command.creates:
                remembered |= {each.key(self._resource) for each in (call, call.as_spelt())}
        if remembered:
            keys = self._keys.c
            rows = select(keys.key, keys.fingerprint).where(
                keys.tenant_id == self._uow.tenant, keys.key == any_(cast(list(remembered), ARRAY(TenantId)))
            )
            found = streamed(self._uow.connection, rows, most=len(remembered))
            self._done = {row.key: row.fingerprint async for row in found}
        for name, follows in self._resource.named.items():
            if wanted := {id for call in calls if (id := getattr(call.input, name, None)) is not None}:
                columns = follows.id.table.c
                rows = select(follows.id, *(columns[each] for each in follows.takes)).where(
                    columns.tenant_id == self._uow.tenant, follows.id == any_(cast(list(wanted), ARRAY(Uuid)))
                )
                found = streamed(self._uow.connection, rows, most=len(wanted))
                self._named[name] = {row[0]: row async for row in found}
        if self._resource.checks is not None:
            inputs = [call.input for call in calls]
            self._check = await self._resource.checks(self._uow.connection, self._uow.tenant, inputs)

    def carry_out(self, call: Call) -> Outcome:
        try:
            return self._create(call) if call.command.creates else self._change(call)
        except DomainError as error:
            return Outcome(Status.REJECTED, error=error)

    async def flush(self) -> None:
        await self._uow.flush()
        for piece in in_pieces(sorted(self._new_keys, key=itemgetter("key"))):
            await self._uow.connection.execute(insert(self._keys), piece)

    def _create(self, call: Call) -> Outcome:
        assert isinstance(call.input, NewInput)
        external_id, fingerprint = call.input.external_id, None
        if external_id is not None:
            fingerprint = call.fingerprint(self._resource)
            if (existing := self._repository.get_by_external_id(external_id)) is not None:
                if self._is_what_made(existing, call, fingerprint):
                    return Outcome(Status.UNCHANGED, existing)
                raise Conflict(
                    f"There is another {self._resource.words} under external id {external_id}.", field="external_id"
                )
        given = self._followed(call.input)
        at = given.happened_at(self._uow.now)
        aggregate, events = self._made(call, given, at)
        self._check(given)
        aggregate.external_hash = fingerprint
        recorded = self._record(aggregate, events, at)
        self._repository.add(aggregate)
        return Outcome(Status.ACCEPTED, aggregate, events=recorded)

    def _made(self, call: Call, given: Input, at: datetime) -> tuple[Aggregate, Any]:
        """Returns a new one, and its events."""
        assert isinstance(given, NewInput)
        aggregate, events = call.command.rule(id=new_id(), at=at, **unshared(given.fields()))
        aggregate.external_id = given.external_id
        aggregate.created_at = aggregate.updated_at = at
        return aggregate, events

    def _change(self, call: Call) -> Outcome:
        aggregate = self._find(call)
        key, fingerprint = call.key(self._resource), call.fingerprint(self._resource)
        if call.remembered and (before := self._before(call, key)) is not None:
            if before not in (fingerprint, call.as_spelt().fingerprint(self._resource)):
                raise KeyReused(f"This {call.command.name} was sent before with another body.", field="occurred_at")
            return Outcome(Status.UNCHANGED, aggregate)
        if call.expected_version not in (None, aggregate.version):
            raise VersionMismatch(f"It is at version {aggregate.version}, not {call.expected_version}.")
        given = self._followed(call.input, aggregate)
        at, now = call.input.happened_at(self._uow.now), self._uow.now
        if call.input.occurred_at is None or call.input.occurred_at > now:
            # What happens just now is never before the last change, whatever the clock says: it may be put back.
            at = max(at, aggregate.updated_at)
        # A rule that refuses half-way must leave nothing behind: it works on copies.
        changed = aggregate.copy()
        events = call.command.rule(changed, at=at, **unshared(given.fields()))
        self._check(given)
        recorded = self._record(changed, events, at)
        changed.updated_at = max(changed.updated_at, at)
        self._repository.replace(changed)
        if call.remembered:
            self._remember(key, fingerprint, changed.id)
        return Outcome(Status.ACCEPTED, changed, events=recorded)

    def _before(self, call: Call, key: str) -> int | None:
        """The fingerprint of the same change, if it was sent before."""
        return self._done.get(key) or self._done.get(call.as_spelt().key(self._resource))

    def _is_what_made(self, existing: Aggregate, call: Call, fingerprint: int) -> bool:
        """Whether it was made by the same call, however that was spelt then and is now."""
        if existing.external_hash in (fingerprint, call.as_spelt().fingerprint(self._resource)):
            return True
        if existing.version > 1 or call.input.occurred_at not in (None, existing.created_at):
            return False
        made, _ = self._made(call, self._followed(call.input), existing.created_at)
        return are_alike(existing, made)

    def _find(self, call: Call) -> Aggregate:
        found = (
            self._repository.get(call.id)
            if call.id is not None
            else self._repository.get_by_external_id(call.external_id or "")
        )
        if found is None and self._resource.singleton is not None:
            found = self._resource.singleton(self._uow.tenant)
            found.created_at = found.updated_at = call.input.happened_at(self._uow.now)
        if found is None:
            field = "id" if call.id is not None else "external_id"
            raise NotFound.of(self._resource.words, getattr(call, field), field=field)
        return found

    def _followed(self, given: Input, changed: Aggregate | None = None) -> Input:
        """What was sent, with what it takes of the records that it names. Raises Invalid if there is no such record, or
        it says otherwise than that one does."""
        taken: dict[str, Any] = {}
        for name, records in self._named.items():
            if (id := getattr(given, name, None)) is None:
                continue
            follows, what = self._resource.named[name], name.removesuffix("_id")
            if (record := records.get(id)) is None:
                if follows.on_sight:
                    continue
                raise Invalid(f"There is no {what} {id}.", field=name)
            for field in follows.takes:
                own = taken.get(field, getattr(given if hasattr(given, field) else changed, field, None))
                if own is None and changed is None and (theirs := getattr(record, field)) is not None:
                    taken[field] = theirs
                elif own is not None and getattr(record, field) not in (None, own):
                    wrong = field if hasattr(given, field) else name
                    raise Invalid(f"The {what.replace('_', ' ')} has another {field.removesuffix('_id')}.", field=wrong)
        if changed is None:
            self._check_complete(given, taken)
        return given.taking(taken) if taken else given

    def _check_complete(self, given: Input, taken: Mapping[str, Any]) -> None:
        for field in sorted(self._resource.may_be_taken - set(taken)):
            if getattr(given, field, None) is None:
                names = " or ".join(name for name, each in self._resource.follows.items() if field in each.takes)
                raise Invalid(f"Send it, or name what has one: {names}.", field=field)

    def _record(self, aggregate: Aggregate, events: Any, at: datetime) -> int:
        happened = events if isinstance(events, Iterable) else (events,)
        return self._uow.record(aggregate, *happened, at=at)

    def _remember(self, key: str, fingerprint: int, subject: UUID) -> None:
        self._done[key] = fingerprint
        self._new_keys.append(
            {
                "tenant_id": self._uow.tenant,
                "key": key,
                "fingerprint": fingerprint,
                "subject": subject,
                "recorded_at": self._uow.now,
            }
        )


def as_view(resource: Resource, aggregate: Aggregate | None) -> View:
    assert aggregate is not None
    return resource.view(*(getattr(aggregate, name) for name in resource.view_fields))


def _external_id(call: Call) -> str | None:
    return call.input.external_id if isinstance(call.input, NewInput) else call.external_id
