"""The records that the calls of one transaction name: a record inherits fields from those that it names, and may not
contradict them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Column, ColumnElement, Uuid, any_, cast, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.customers.pointing import Pointing, told_of
from kith.db.owned import named_within
from kith.db.statements import streamed
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.nouns import unconfirmed
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, names_of, values_of
from kith.nouns.resource import Resource
from kith.nouns.unconfirmed import Unconfirmed
from kith.reach import Reach


class NamesErased(Conflict):
    """Nothing is written about it again."""

    code = ErrorCode.ALREADY_ERASED


class Named:
    """Of calls on one noun."""

    def __init__(self, resource: Resource, reach: Reach) -> None:
        self._resource, self._reach = resource, reach
        self._records: dict[str, dict[UUID, Any]] = {}
        """By field: as far as they exist and are within reach."""
        self._parts: dict[str, dict[UUID, Any]] = {}
        """The same of parts of values."""
        self._pointing = Pointing(resource)
        self._unconfirmed: list[Unconfirmed] = []

    async def load(self, connection: AsyncConnection, tenant: str, inputs: Sequence[Input]) -> None:
        for name, follows in self._resource.named.items():
            if wanted := values_of(inputs, name):
                columns = follows.id.table.c
                read: list[Any] = [follows.id, *(told_of(columns, each) for each in (*follows.takes, *follows.lends))]
                read += [columns.get(each, null().label(each)) for each in ("archived_at", "erased_at")]
                if follows.or_one_of is not None:
                    read.append(follows.or_one_of.label("or_one_of"))
                rows = select(*read).where(*self._are_there(follows.id, tenant, wanted))
                found = streamed(connection, rows, most=len(wanted))
                self._records[name] = {row[0]: row async for row in found}
        for path, follows in self._resource.parts_name.items():
            wanted = {part for given in inputs for part in _parts(given, path) if part is not None}
            columns = follows.id.table.c
            erased = columns.get("erased_at", null().label("erased_at"))
            rows = select(follows.id, *(columns[each] for each in follows.takes), erased).where(
                *self._are_there(follows.id, tenant, wanted)
            )
            found = streamed(connection, rows, most=len(wanted))
            self._parts[path] = {row[0]: row async for row in found} if wanted else {}
        await self._pointing.look_up(connection, tenant, inputs, self._records)

    def _are_there(self, id: Column[Any], tenant: str, wanted: Collection[UUID]) -> Iterator[ColumnElement[bool]]:
        owners = self._reach.owners
        yield id.table.c.tenant_id == tenant
        yield id == any_(cast([*wanted], ARRAY(Uuid)))
        if owners is not None:
            yield named_within(id.table, cast([*owners], ARRAY(Uuid)))

    def followed(self, given: Input, changed: Aggregate | None = None) -> Input:
        """Returns the input with the fields that it inherits from the records it names. Raises Invalid if a record does
        not exist, or contradicts the input."""
        taken = self._parts_followed(given, changed)
        named = {name: id for name in self._records if (id := getattr(given, name, None)) is not None}
        for name, id in named.items():
            self._check_named(self._records[name].get(id), name, id, changed)
        for name, id in named.items():
            follows, what = self._resource.named[name], name.removesuffix("_id")
            if (record := self._records[name].get(id)) is None:
                continue
            for field in follows.takes:
                own = taken.get(field, getattr(given if hasattr(given, field) else changed, field, None))
                if own is None and changed is None and (theirs := getattr(record, field)) is not None:
                    taken[field] = theirs
                elif not any(self._pointing.agree(field, own, each) for each in follows.allowed(field, record)):
                    wrong = field if hasattr(given, field) else name
                    raise Invalid(f"The {what.replace('_', ' ')} has another {field.removesuffix('_id')}.", field=wrong)
            if changed is None:
                lent = {field: getattr(record, field) for field in follows.lends if getattr(given, field) in (None, [])}
                taken = {field: value for field, value in lent.items() if value is not None} | taken
        if changed is None:
            self._check_complete(given, taken)
        return given.taking(taken) if taken else given

    def _check_named(self, record: Any, name: str, id: UUID, changed: Aggregate | None) -> None:
        """Raises Invalid for a record that may not be named."""
        what = name.removesuffix("_id")
        if record is None and not self._resource.named[name].on_sight:
            raise Invalid(f"There is no {what} {id}.", field=name)
        # What has happened is recorded of whomever it happened with.
        is_new = not self._resource.insert_only and (changed is None or id != getattr(changed, name))
        if not is_new or record is None:
            return
        if record.erased_at is not None:
            raise NamesErased(f"The {what} {id} was erased.", field=name)
        if record.archived_at is not None:
            raise Invalid(f"The {what} {id} is archived.", field=name)

    def _parts_followed(self, given: Input, changed: Aggregate | None) -> dict[str, Any]:
        """Returns the fields whose values inherit parts from the records that they name. Raises Invalid for a part that
        names a record which is not there; what the record had before it may keep."""
        taken: dict[str, Any] = {}
        for path, found in self._parts.items():
            field, _, part = path.partition(".")
            what, takes = part.removesuffix("_id").replace("_", " "), self._resource.parts_name[path].takes
            for number, id in enumerate(_parts(given, path)):
                if id is None:
                    continue
                if id not in found:
                    if not self._resource.parts_name[path].on_sight and id not in _parts(changed, path):
                        raise Invalid(f"There is no {what} {id}.", field=f"{field}.{number}.{part}")
                    continue
                if found[id].erased_at is not None and id not in _parts(changed, path):
                    raise NamesErased(f"The {what} {id} was erased.", field=f"{field}.{number}.{part}")
                for each in takes:
                    values = taken.get(field, getattr(given, field))
                    own, theirs = getattr(values[number], each), getattr(found[id], each)
                    if own not in (None, theirs):
                        raise Invalid(f"The {what} has another {each}.", field=f"{field}.{number}.{each}")
                    if own != theirs:
                        taken[field] = [*values]
                        taken[field][number] = replace(values[number], **{each: theirs})
        return taken

    def _check_complete(self, given: Input, taken: Mapping[str, Any]) -> None:
        for field in sorted(self._resource.may_be_taken - set(taken)):
            if getattr(given, field, None) is None:
                names = " or ".join(name for name, each in self._resource.follows.items() if field in each.takes)
                raise Invalid(f"Send it, or name what has one: {names}.", field=field)

    def told(self, field: str, inputs: Sequence[Input]) -> set[UUID]:
        """Returns what a field may be told by these inputs: by themselves, and by the records that they name."""
        told: set[UUID] = {*values_of(inputs, field)}
        for name, follows in self._resource.named.items():
            if field in follows.takes:
                told |= {getattr(row, field) for row in self._records.get(name, {}).values()}
        return told - {None}

    def point(self, aggregate: Aggregate, told: Collection[str]) -> None:
        """Has the fields of a record that were told name the customers that remained: see kith.customers.pointing."""
        self._pointing.point(aggregate, told)

    def note(self, given: Input, record: UUID) -> None:
        """Notes what a record names that is not known."""
        for each in self._resource.on_sight:
            id = getattr(given, each.field) if each.field in names_of(type(given)) else None
            if id is not None and id not in self._records.get(each.field, ()):
                self._unconfirmed.append(Unconfirmed(each.noun, id, each.named_by, record))
        for each in self._resource.parts_on_sight:
            unknown = {*_parts(given, each.field)} - {None, *self._parts[each.field]}
            self._unconfirmed += (Unconfirmed(each.noun, id, each.named_by, record) for id in unknown if id)

    async def flush(self, connection: AsyncConnection, tenant: str, at: datetime) -> None:
        await unconfirmed.note(connection, tenant, self._unconfirmed, at)


def _parts(of: Input | Aggregate | None, path: str) -> list[UUID | None]:
    """Returns what a part of the values of a field is, of each of them."""
    field, _, part = path.partition(".")
    return [getattr(each, part) for each in getattr(of, field, None) or ()]
