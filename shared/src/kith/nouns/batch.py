"""The calls of one transaction: the records they name are loaded, the rules decide call by call, and all rows are
written at once."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Table, any_, cast, select

from kith.audit import entries as audit
from kith.audit.entries import Entry
from kith.custom.changes import CustomChanges
from kith.db.connections import Transaction
from kith.db.statements import insert_many, streamed
from kith.db.tables import TenantId
from kith.errors import Conflict, DomainError, Invalid, NotFound, VersionMismatch
from kith.events.event import Event
from kith.ids import new_id
from kith.nouns.aggregate import Aggregate, Archivable, Customisable
from kith.nouns.blinding import FORGOTTEN, Blinding, blinding_of, is_blinded
from kith.nouns.calls import By, Call, KeyReused, Outcome, Status
from kith.nouns.erased import Erased
from kith.nouns.fingerprints import are_alike
from kith.nouns.inputs import Amendment, Input, NewInput
from kith.nouns.named import Named
from kith.nouns.owning import Owning
from kith.nouns.resource import Also, Check, Resource, Supply, Together
from kith.nouns.unit_of_work import Repository, UnitOfWork, encode_event
from kith.runtime.slices import in_slices

ALIVE_SECONDS = 2.0
"""After so long without a statement one is sent, as the database ends a transaction that is idle for some seconds: on a
busy machine ten thousand calls take longer."""


async def carry_out(
    transaction: Transaction,
    resource: Resource,
    calls: Sequence[Call],
    *,
    source: str,
    outbox: Table,
    idempotency: Table,
    by: By,
) -> tuple[list[Outcome], datetime]:
    """Carries out all calls in a transaction that the caller commits, such as a consumer's
    (kith.db.connections.acting_for), as what `by` does. Returns an outcome per call, and the instant they are recorded
    at."""
    uow = UnitOfWork(transaction, source=source, outbox=outbox, by=by)
    batch = Batch(uow, resource, idempotency)
    await batch.load(calls)
    outcomes, last = list[Outcome](), monotonic()
    async for call in in_slices(calls):
        if call.command.also is not None:
            await batch.load_also(call, call.command.also)
        outcomes.append(batch.carry_out(call))
        if monotonic() - last > ALIVE_SECONDS:
            await transaction.connection.execute(select(1))
            last = monotonic()
    await batch.flush()
    return outcomes, uow.now


class Batch:
    """The state that a run of calls needs, loaded beforehand; then the calls themselves, without I/O between them."""

    def __init__(self, uow: UnitOfWork, resource: Resource, keys: Table) -> None:
        self._uow = uow
        self._resource = resource
        self._keys = keys
        self._repository: Repository = uow.repository(resource)
        self._done: dict[str, int] = {}
        self._new_keys: list[dict[str, Any]] = []
        self._erased = Erased(uow, resource, keys)
        self._administered: list[Entry] = []
        """Of the audit log."""
        self._named = Named(resource, uow.reach)
        self._owning = Owning(resource, uow.reach)
        self._together: dict[Together, dict[UUID, Aggregate]] = {}
        """The records that commands of two records have changed first, as they were before."""
        self._also: Batch | None = None
        """Of the noun of which the next call creates a record, too."""
        self._others: list[Batch] = []
        self._check: Check = lambda *_: None
        self._supply: Supply | None = None
        self._blinding: Blinding
        """Of what is remembered, or erased."""
        self._custom: CustomChanges | None = None

    async def load(self, calls: Sequence[Call]) -> None:
        external_ids = {external for call in calls if (external := _external_id(call)) is not None}
        await self._load_records(calls, external_ids)
        remembered: set[str] = set()
        async for call in in_slices(calls):
            if call.remembered and not call.command.creates:
                remembered |= {each.key(self._resource) for each in (call, call.as_spelt())}
        connection, tenant = self._uow.connection, self._uow.tenant
        if remembered or any(call.command.erases for call in calls):
            self._blinding = await blinding_of(connection)
        if remembered:
            keys = self._keys.c
            remembered |= {self._blinding.of(tenant, each) for each in remembered}
            rows = select(keys.key, keys.fingerprint).where(
                keys.tenant_id == self._uow.tenant, keys.key == any_(cast(list(remembered), ARRAY(TenantId)))
            )
            found = streamed(self._uow.connection, rows, most=len(remembered))
            self._done = {row.key: row.fingerprint async for row in found}
        inputs = [self._owning.given(call.input) for call in calls]
        await self._named.load(self._uow.connection, self._uow.tenant, inputs)
        await self._owning.load(self._uow.connection, self._uow.tenant, inputs, self._named)
        if self._resource.is_customisable:
            connection, tenant, of = self._uow.connection, self._uow.tenant, self._resource
            by = By(self._uow.actor, self._uow.reach)
            self._custom = await CustomChanges.of(connection, tenant, of.name, of.table, inputs, by)
        if self._resource.checks is not None or self._resource.supplies is not None:
            asked = [(given, self._named_by(call)) for given, call in zip(inputs, calls, strict=True)]
        if self._resource.checks is not None:
            self._check = await self._resource.checks(self._uow.connection, self._uow.tenant, asked)
        if self._resource.supplies is not None:
            self._supply = await self._resource.supplies(self._uow.connection, self._uow.tenant, asked)

    async def _load_records(self, calls: Sequence[Call], external_ids: Collection[str]) -> None:
        for together in {call.command.together for call in calls if call.command.together is not None}:
            await together.before(self._uow.connection, self._uow.tenant)
            self._together[together] = {}
        ids = {id for call in calls for id in (call.id, self._other_of(call)) if id is not None}
        await self._repository.load(ids=ids, external_ids=external_ids)
        if self._together:
            others = {id for call in calls if (id := self._other_of(call)) is not None}
            await self._repository.load(ids=others - ids)

    async def load_also(self, call: Call, also: Also) -> None:
        """Loads what the creation of the other record needs. One by one: a call before may have changed what it is."""
        self._also = None
        if (record := self._named_by(call)) is None:
            return
        if (given := also.input(record, self._uow.now)) is None:
            return
        to = self._created_by(also)
        self._also = Batch(self._uow, to, self._keys)
        await self._also.load([Call(to.create, given)])
        self._others.append(self._also)

    def carry_out(self, call: Call) -> Outcome:
        try:
            return self._create(call) if call.command.creates else self._change(call)
        except DomainError as error:
            return Outcome(Status.REJECTED, error=error)

    async def flush(self) -> None:
        await self._uow.flush()
        for each in (self, *self._others):
            await each.flush_rest()

    async def flush_rest(self) -> None:
        """Writes what goes with the records."""
        await self._named.flush(self._uow.connection, self._uow.tenant, self._uow.now)
        for together, before in self._together.items():
            await together.after(self._uow.connection, self._uow.tenant, before)
        if self._custom is not None:
            await self._custom.flush()
        if self._supply is not None:
            await self._supply.flush()
        await audit.add(self._uow.connection, self._administered)
        await insert_many(self._uow.connection, self._keys, sorted(self._new_keys, key=itemgetter("key")))
        await self._erased.flush()

    def _create(self, call: Call) -> Outcome:
        assert isinstance(call.input, NewInput)
        external_id, fingerprint = call.input.external_id, None
        if external_id is not None:
            fingerprint = call.fingerprint(self._resource)
            if (existing := self._repository.get_by_external_id(external_id)) is not None:
                was_erased = existing.external_id != external_id
                if was_erased or self._is_what_made(existing, call):
                    return Outcome(Status.UNCHANGED, existing)
                raise self._taken(external_id)
            if self._repository.is_taken(external_id):
                raise self._taken(external_id)
        given = self._complete(call.input)
        at = given.happened_at(self._uow.now)
        aggregate, events = self._made(call, given, at)
        self._named.point(aggregate, self._resource.told)
        self._owning.check(None, aggregate)
        self._check(given, aggregate)
        self._check_custom(None, aggregate)
        aggregate.external_hash = fingerprint
        recorded = self._record(aggregate, events, at)
        self._accepted(given, aggregate)
        self._note(call, None, aggregate, at)
        self._named.note(given, aggregate.id)
        self._repository.add(aggregate)
        return Outcome(Status.ACCEPTED, aggregate, events=recorded)

    def _taken(self, external_id: str) -> Conflict:
        what = self._resource.words
        return Conflict(f"There is another {what} under external id {external_id}.", field="external_id")

    def _made(self, call: Call, given: Input, at: datetime) -> tuple[Aggregate, Any]:
        """Returns a new aggregate, and its events."""
        assert isinstance(given, NewInput)
        arguments = self._arguments(call, given)
        aggregate, events = call.command.rule(id=call.creates or new_id(), at=at, **arguments)
        aggregate.external_id = given.external_id
        aggregate.created_at = aggregate.updated_at = at
        return aggregate, events

    def _change(self, call: Call) -> Outcome:
        aggregate = self._find(call)
        key, fingerprint = call.key(self._resource), call.fingerprint(self._resource)
        if call.remembered and (before := self._before(call, key)) is not None:
            if before != FORGOTTEN and before not in call.fingerprints(self._resource):
                raise KeyReused(f"This {call.command.name} was sent before with another body.", field="occurred_at")
            return Outcome(Status.UNCHANGED, aggregate)
        if isinstance(aggregate, Archivable) and not (call.command.of_archived or call.command.erases):
            aggregate.ensure_not_archived()
        if call.expected_version not in (None, aggregate.version):
            raise VersionMismatch(f"It is at version {aggregate.version}, not {call.expected_version}.")
        given = self._complete(call.input, aggregate)
        other = self._other(call)
        at, now = call.input.happened_at(self._uow.now), self._uow.now
        if call.input.occurred_at is None or call.input.occurred_at > now:
            # A change without `occurred_at` is never before the last one, whatever the clock says: it may have been set
            # back.
            at = max(at, aggregate.updated_at, *([other.updated_at] if other is not None else ()))
        changed, events = self._decided(call, given, aggregate, other, at)
        recorded = self._record(changed, events, at)
        self._accepted(given, changed)
        self._note(call, aggregate, changed, at)
        self._named.note(given, changed.id)
        changed.updated_at = max(changed.updated_at, at)
        self._repository.replace(changed)
        if call.command.erases:
            if changed.external_id is not None and not is_blinded(changed.external_id):
                changed.external_id = self._blinding.of(self._uow.tenant, changed.external_id)
                changed.external_hash = None
            self._erased.add(aggregate, changed)
        if call.remembered:
            self._remember(key, fingerprint, changed.id)
        return Outcome(Status.ACCEPTED, changed, events=recorded)

    def _decided(
        self, call: Call, given: Input, aggregate: Aggregate, other: Aggregate | None, at: datetime
    ) -> tuple[Aggregate, Any]:
        """Returns the record as the rule has changed it, and its events; what became of the other record is kept."""
        # A rule that refuses half-way must leave nothing behind: it works on copies.
        changed, changed_other = aggregate.copy(), None if other is None else other.copy()
        arguments = self._arguments(call, given)
        if changed_other is not None:
            arguments["other"] = changed_other
        also, other_id = call.command.also, new_id()
        if also is not None:
            arguments[also.named] = other_id
        if self._custom is not None and call.command.together is not None and call.command.together.shares_fields:
            arguments["shared"] = self._custom.shared
        events = call.command.rule(changed, at=at, **arguments)
        self._named.point(changed, given.model_fields_set)
        self._owning.check(aggregate, changed)
        self._check(given, changed)
        self._check_custom(aggregate, changed)
        if also is not None:
            self._create_also(also, changed, events, at, other_id)
        if (together := call.command.together) is not None:
            events, of_other = events
            self._together[together].setdefault(changed.id, aggregate)
            if other is not None and changed_other is not None:
                self._keep_other(call, other, changed_other, of_other, at)
        return changed, events

    def _arguments(self, call: Call, given: Input) -> dict[str, Any]:
        """Returns the arguments of the rule, but for the id and the time."""
        return call.command.arguments(given, self._uow.tenant, self._uow.actor, self._supply)

    def _accepted(self, given: Input, record: Aggregate) -> None:
        if self._supply is not None:
            self._supply.accepted(given, record)

    def _create_also(self, also: Also, changed: Aggregate, event: Event, at: datetime, id: UUID) -> None:
        """Raises the error with which the other record is refused; nothing may refuse the command afterwards."""
        if (given := also.input(changed, at)) is None:
            return
        assert self._also is not None
        to = self._created_by(also)
        encode_event(event)
        outcome = self._also.carry_out(Call(to.create, given, creates=id))
        if (error := outcome.error) is not None:
            error.field = None if error.field is None else f"{to.name}.{error.field}"
            raise error

    def _created_by(self, also: Also) -> Resource:
        to = also.to or self._resource
        assert isinstance(to, Resource)
        return to

    def _keep_other(self, call: Call, before: Aggregate, after: Aggregate, event: Event | None, at: datetime) -> None:
        if event is not None:
            self._record(after, event, at)
            self._note(call, before, after, at)
            after.updated_at = max(after.updated_at, at)
        self._repository.replace(after)

    def _before(self, call: Call, key: str) -> int | None:
        """Returns the fingerprint of the same change, if it was sent before."""
        keys = (key, call.as_spelt().key(self._resource))
        them = (*keys, *(self._blinding.of(self._uow.tenant, each) for each in keys))
        return next((self._done[each] for each in them if each in self._done), None)

    def _is_what_made(self, existing: Aggregate, call: Call) -> bool:
        """Whether the existing aggregate was created by the same call, however the two were spelt."""
        if existing.external_hash in call.fingerprints(self._resource):
            return True
        if existing.version > 1 or call.input.occurred_at not in (None, existing.created_at):
            return False
        made, _ = self._made(call, self._complete(call.input), existing.created_at)
        self._named.point(made, self._resource.told)
        return are_alike(existing, made)

    def _find(self, call: Call) -> Aggregate:
        found = self._named_by(call)
        if found is None and self._resource.singleton is not None:
            found = self._resource.singleton(self._uow.tenant)
            found.created_at = found.updated_at = call.input.happened_at(self._uow.now)
        if found is None:
            field = "id" if call.id is not None else "external_id"
            raise NotFound.of(self._resource.words, getattr(call, field), field=field)
        return found

    def _other_of(self, call: Call) -> UUID | None:
        """Returns the id of the other record that a call is to change."""
        together = call.command.together
        return None if together is None else together.other(call.input, self._named_by(call))

    def _other(self, call: Call) -> Aggregate | None:
        if (id := self._other_of(call)) is None:
            return None
        if (found := self._repository.get(id)) is None:
            raise Invalid(f"There is no {self._resource.words} {id}.", field="into")
        return found

    def _named_by(self, call: Call) -> Aggregate | None:
        """Returns the record that a call is to change, if it is there."""
        if call.id is not None:
            return self._repository.get(call.id)
        return self._repository.get_by_external_id(call.external_id or "")

    def _complete(self, given: Input, changed: Aggregate | None = None) -> Input:
        """Returns the input with the fields that it inherits, and with the values of all custom fields. Raises
        Invalid."""
        given = self._named.followed(self._owning.given(given), changed)
        if self._custom is None or not isinstance(given, _SETS_CUSTOM):
            return given
        return self._custom.merged(given, _customisable(changed))

    def _check_custom(self, before: Aggregate | None, after: Aggregate) -> None:
        if self._custom is not None:
            self._custom.check(_customisable(before), _customisable(after))

    def _record(self, aggregate: Aggregate, events: Any, at: datetime) -> int:
        happened = events if isinstance(events, Iterable) else (events,)
        return self._uow.record(aggregate, *happened, at=at)

    def _note(self, call: Call, before: Aggregate | None, after: Aggregate, at: datetime) -> None:
        command, uow = call.command, self._uow
        if self._custom is not None:
            self._custom.note(_customisable(before), _customisable(after))
        uow.note(self._resource, command, before, after, at=at)
        if command.erases or self._resource.is_administration:
            entry = Entry(uow.tenant, uow.now, uow.actor, command.name, self._resource.name, [after.id])
            self._administered.append(entry)

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


_SETS_CUSTOM = NewInput | Amendment
"""The inputs that have values of custom fields."""


def _customisable(record: Aggregate | None) -> Any:
    assert isinstance(record, Customisable | None)
    return record


def _external_id(call: Call) -> str | None:
    return call.input.external_id if isinstance(call.input, NewInput) else call.external_id
