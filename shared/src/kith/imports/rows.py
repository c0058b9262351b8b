"""Carries out the rows of one piece, in a transaction that the caller commits: what a row names is looked up, and its
command goes the way that a bulk request goes (kith.nouns.batch)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import ARRAY, Table, Uuid, any_, cast, select

from kith.custom.tables import ENTRIES
from kith.db.connections import Transaction
from kith.db.statements import streamed
from kith.db.tables import TenantId
from kith.errors import DomainError, Invalid, NotFound, NothingAmended
from kith.http.problems import of_refusal
from kith.imports.content import cells_of, object_of
from kith.imports.plan import EXTERNAL_ID, ID, Plan
from kith.nouns.batch import carry_out
from kith.nouns.blinding import blinding_of
from kith.nouns.calls import By, Call, Status
from kith.nouns.inputs import Amendment, names_of
from kith.nouns.resource import One
from kith.reach import EVERYONE
from kith.runtime.slices import in_slices

ROUNDS = 20
"""Rows of a piece that name rows before them wait for those: so often."""


class Fault(NamedTuple):
    """A row that was refused."""

    row: int
    field: str | None
    reason: str
    record: str


@dataclass
class Counts:
    """What has become of the rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    """Their records are there, and nothing but new ones was asked for."""
    failed: int = 0

    def add(self, others: "Counts") -> None:
        for name in vars(others):
            setattr(self, name, getattr(self, name) + getattr(others, name))


@dataclass
class _Row:
    number: int
    record: str
    document: dict[str, Any]
    key: Any
    named: Mapping[str, str]
    """External ids by the relations."""


@dataclass
class Carried:
    counts: Counts = field(default_factory=Counts)
    faults: list[Fault] = field(default_factory=list)

    def refused(self, number: int, record: str, error: DomainError | ValidationError) -> None:
        found = of_refusal(error).get("errors", [])
        reason = "; ".join(each["rule"] for each in found) or str(getattr(error, "detail", "It is not accepted."))
        where = ", ".join(dict.fromkeys(each["field"] for each in found)) or None
        self.counts.failed += 1
        self.faults.append(Fault(number, where, reason, record))


@dataclass(frozen=True)
class Wiring:
    """Of the service whose nouns are imported."""

    source: str
    outbox: Table
    idempotency: Table


class Rows:
    """The rows of one piece."""

    def __init__(self, transaction: Transaction, plan: Plan, wiring: Wiring, *, actor: str, is_dry: bool) -> None:
        self._transaction = transaction
        self._plan = plan
        self._wiring = wiring
        self._actor = actor
        self._is_dry = is_dry
        self.carried = Carried()

    async def carry_out(self, records: Sequence[tuple[int, str]], *, delimiter: str | None, columns: int) -> Carried:
        rows: list[_Row] = []
        async for number, record in in_slices(records):
            if not record.strip():
                continue
            try:
                read = object_of(record) if delimiter is None else cells_of(record, delimiter, columns)
                if read.__class__ is dict and read.keys() == {"end"}:
                    continue  # the last line of an export
                document = self._plan.document(read)
                names = {name: document.pop(f"{name}.{EXTERNAL_ID}", None) for name in self._plan.relations}
                named = {name: str(value) for name, value in names.items() if value is not None}
                rows.append(_Row(number, record, document, self._plan.key_of(document), named))
            except (DomainError, ValidationError) as error:
                self.carried.refused(number, record, error)
        for _ in range(ROUNDS):
            if not rows:
                break
            rows = await self._round(rows)
        for row in rows:
            reason = Invalid("It names rows that name others, and so on, too often.")
            self.carried.refused(row.number, row.record, reason)
        self.carried.faults.sort(key=itemgetter(0))
        return self.carried

    async def _round(self, rows: Sequence[_Row]) -> list[_Row]:
        """Carries out what can be. Returns the rows that wait for others of this round."""
        there = await self._records_of({row.key for row in rows if row.key is not None})
        related = {name: await self._related(name, one, rows) for name, one in self._plan.relations.items()}
        calls: list[tuple[_Row, Call]] = []
        later: list[_Row] = []
        coming: set[Any] = set()
        """External ids, and keys, of the records that this round creates."""
        async for row in in_slices(rows):
            try:
                if self._waits(row, there, related, coming):
                    later.append(row)
                    continue
                if (call := self._call(row, there, related)) is not None:
                    calls.append((row, call))
                    if call.command.creates:
                        coming |= {(EXTERNAL_ID, row.document.get(EXTERNAL_ID)), (self._plan.match_by, row.key)}
            except (DomainError, ValidationError) as error:
                self.carried.refused(row.number, row.record, error)
        if calls:
            await self._carry_out(calls)
        return later

    def _waits(
        self, row: _Row, there: Mapping[Any, list[UUID]], related: Mapping[str, Mapping[str, UUID]], coming: set[Any]
    ) -> bool:
        """Whether the record of the row, or one that it names, is that of a row before it."""
        plan = self._plan
        if row.key is not None and row.key not in there and (plan.match_by, row.key) in coming:
            return True
        return any(
            named not in related[name]
            and plan.relations[name].noun == plan.resource.name
            and (EXTERNAL_ID, named) in coming
            for name, named in row.named.items()
        )

    def _call(
        self, row: _Row, there: Mapping[Any, list[UUID]], related: Mapping[str, Mapping[str, UUID]]
    ) -> Call | None:
        """Returns the call of a row; None if it is skipped. Raises DomainError and ValidationError."""
        plan, resource = self._plan, self._plan.resource
        document = dict(row.document)
        for name, named in row.named.items():
            one = plan.relations[name]
            if named in related[name]:
                document[one.column] = related[name][named]
            elif not (self._is_dry and one.noun == resource.name):  # a row before it may create it
                reason = f"There is no {one.noun} with the external id {named}: rows that are named come first."
                raise Invalid(reason, field=f"{name}.{EXTERNAL_ID}")
        found = there.get(row.key, []) if row.key is not None else []
        if len(found) > 1:
            raise Invalid(f"There are several {resource.plural} with it.", field=plan.match_by)
        if found and plan.mode == "create":
            if plan.skips:
                self.carried.counts.skipped += 1
                return None
            raise Invalid(f"There is a {resource.words} with it already.", field=plan.match_by)
        id = document.pop(ID, None)
        if found:
            return self._amendment(document, found[0])
        if plan.mode == "update" or (plan.match_by == ID and id is not None):
            if row.key is None:
                raise Invalid("It is what a record is recognised by.", field=plan.match_by)
            raise NotFound(f"There is no {resource.words} with it.", field=plan.match_by)
        command = plan.targets.create
        known = names_of(command.input)
        given = {name: value for name, value in document.items() if name in known and value is not None}
        return Call(command, command.input.model_validate(given, strict=False))

    def _amendment(self, document: Mapping[str, Any], id: UUID) -> Call:
        command = self._plan.targets.amend
        if command is None:
            raise Invalid(f"A {self._plan.resource.words} is not changed by an import.")
        assert issubclass(command.input, Amendment)
        given = {name: value for name, value in document.items() if name in names_of(command.input)}
        return Call(command, command.input.model_validate(given, strict=False), id=id)

    async def _carry_out(self, calls: Sequence[tuple[_Row, Call]]) -> None:
        w, counts = self._wiring, self.carried.counts
        outcomes, _ = await carry_out(
            self._transaction,
            self._plan.resource,
            [call for _, call in calls],
            source=w.source,
            outbox=w.outbox,
            idempotency=w.idempotency,
            by=By(self._actor, EVERYONE),
        )
        for (row, call), outcome in zip(calls, outcomes, strict=True):
            if outcome.status is Status.ACCEPTED:
                counts.created += call.command.creates
                counts.updated += not call.command.creates
            elif outcome.status is Status.UNCHANGED or isinstance(outcome.error, NothingAmended):
                counts.unchanged += 1
            else:
                assert outcome.error is not None
                self.carried.refused(row.number, row.record, outcome.error)

    async def _records_of(self, keys: set[Any]) -> dict[Any, list[UUID]]:
        """Returns the records by the keys: as a rule one each."""
        if not keys:
            return {}
        tenant, table, blinded = self._transaction.tenant, self._plan.resource.table, dict[str, str]()
        if (custom := self._plan.custom_key) is not None:
            e = ENTRIES.c
            rows = select(e.text.label("key"), e.record_id.label("id")).where(
                e.tenant_id == tenant, e.field_id == custom.id, e.is_unique, e.text == any_(cast([*keys], _TEXTS))
            )
        else:
            column = table.c[self._plan.match_by]
            kind = ARRAY(Uuid) if isinstance(next(iter(keys)), UUID) else _TEXTS
            # An enumeration is kept as text.
            sent = [getattr(each, "value", each) for each in keys]
            if self._plan.match_by == EXTERNAL_ID:
                blinded = await self._blinded(sent)
                sent += blinded
            rows = select(column.label("key"), table.c.id).where(
                table.c.tenant_id == tenant, column == any_(cast(sent, kind))
            )
        found: dict[Any, list[UUID]] = {}
        async for row in streamed(self._transaction.connection, rows, most=len(keys)):
            of_key = found.setdefault(blinded.get(row.key, row.key), [])
            if len(of_key) < 2:
                of_key.append(row.id)
        return found

    async def _related(self, name: str, one: One, rows: Sequence[_Row]) -> dict[str, UUID]:
        """Returns the ids of the records that rows name, by their external ids."""
        named = {row.named[name] for row in rows if name in row.named}
        if not named:
            return {}
        table, blinded = self._plan.resource.references[one.column].table, await self._blinded(named)
        found = select(table.c.external_id, table.c.id).where(
            table.c.tenant_id == self._transaction.tenant,
            table.c.external_id == any_(cast([*named, *blinded], _TEXTS)),
        )
        there = streamed(self._transaction.connection, found, most=len(named))
        return {blinded.get(row.external_id, row.external_id): row.id async for row in there}

    async def _blinded(self, external_ids: Iterable[str]) -> dict[str, str]:
        """Returns them by what they are known as where their records were erased."""
        blinding = await blinding_of(self._transaction.connection)
        return {blinding.of(self._transaction.tenant, each): each for each in external_ids}


_TEXTS = ARRAY(TenantId)
