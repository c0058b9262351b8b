"""What a request does to custom fields: its values are read by the definitions, and the entries of records follow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, bindparam, cast, delete, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.custom.entries import entries_of
from kith.custom.field import LINKED, CustomField, FieldType
from kith.custom.known import Fields, fields_of
from kith.custom.reading import keys_of, read, read_text
from kith.custom.tables import ENTRIES
from kith.db.owned import within
from kith.db.statements import insert_many, streamed
from kith.db.tables import TenantId
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events import actors
from kith.nouns.aggregate import Customisable
from kith.nouns.calls import By
from kith.nouns.inputs import CUSTOM, Input, NewInput
from kith.reach import Reach

I = TypeVar("I", bound=Input)  # noqa: E741 - as in Input


class NotUnique(Conflict):
    code = ErrorCode.NOT_UNIQUE


class CustomChanges:
    """Of the calls of one transaction on one noun, whose tables are those of `metadata`."""

    def __init__(
        self, connection: AsyncConnection, tenant: str, noun: str, table: Table, fields: Fields, *, by_form: bool = True
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._noun = noun
        self._table = table
        self._all = fields
        self._fields = fields.of(noun)
        self._by_form = by_form
        """Whether somebody fills in what is required. What a playbook asks for is made without it."""
        self._holders: dict[tuple[UUID, str], UUID] = {}
        """By unique field and key: the record that has the value."""
        self._linked: dict[str, set[UUID]] = {}
        """By noun: the records that links name, as far as they exist."""
        self._changed: dict[UUID, Customisable] = {}

    @classmethod
    async def of(
        cls, connection: AsyncConnection, tenant: str, noun: str, table: Table, given: Sequence[Input], by: By
    ) -> "CustomChanges":
        sent = {code for each in given for held in CUSTOM for code in getattr(each, held, None) or ()}
        fields = await fields_of(connection, tenant)
        if not sent <= fields.of(noun).keys():
            fields = await fields_of(connection, tenant, anew=True)
        it = cls(connection, tenant, noun, table, fields, by_form=actors.fills_in_forms(by.actor))
        if sent:
            await it._look_up(given, by.reach)
        return it

    async def _look_up(self, given: Sequence[Input], reach: Reach) -> None:
        """Reads who has the unique values that are sent, and which of the records within reach that links name."""
        unique: dict[UUID, set[str]] = {}
        linked: dict[str, set[UUID]] = {}
        for field, value in self._sent(given):
            if field.unique:
                unique.setdefault(field.id, set()).add(_text_of(field, value))
            if field.value_type is FieldType.LINK and field.links_to is not None:
                linked.setdefault(field.links_to, set()).add(UUID(value))
        c = ENTRIES.c
        for id, keys in unique.items():
            rows = select(c.text, c.record_id).where(
                c.tenant_id == self._tenant,
                c.field_id == id,
                c.is_unique,
                c.text == any_(cast([*keys], ARRAY(TenantId))),
            )
            async for row in streamed(self._connection, rows, most=len(keys)):
                self._holders[id, row.text] = row.record_id
        for noun, ids in linked.items():
            if (other := self._table.metadata.tables.get(LINKED[noun])) is not None:
                existing = select(other.c.id).where(
                    other.c.tenant_id == self._tenant,
                    other.c.id == any_(cast([*ids], ARRAY(Uuid))),
                    true() if reach.owners is None else within(other, owners=cast([*reach.owners], ARRAY(Uuid))),
                )
                self._linked[noun] = {row.id async for row in streamed(self._connection, existing, most=len(ids))}

    def _sent(self, given: Iterable[Input]) -> Iterator[tuple[CustomField, Any]]:
        """Yields the values that can be read, each with its field. What cannot be is refused call by call."""
        for each in given:
            for held in CUSTOM:
                for code, value in (getattr(each, held, None) or {}).items():
                    if value is not None:
                        try:
                            field = self._field(code, held)
                            yield field, read(field, value)
                        except Invalid:
                            continue

    @property
    def shared(self) -> frozenset[str]:
        """The codes of the fields of which several records may have the same value."""
        return shared_of(self._fields)

    def merged(self, given: I, before: Customisable | None) -> I:
        """Returns the input with all custom values as they are then: those that were sent, and of a record that is
        changed those that it has besides. Raises Invalid."""
        taken: dict[str, dict[str, Any]] = {}
        for held in CUSTOM:
            sent = getattr(given, held, None)
            if before is None or (sent is not None and held in given.model_fields_set):
                taken[held] = self._values(sent or {}, held, getattr(before, held, {}))
        if isinstance(given, NewInput):
            self._complete(taken)
        # Not by what is equal: 4 is 4.0, and only one of them is as it is kept.
        has_any = any(values or getattr(given, held, None) for held, values in taken.items())
        return given.model_copy(update=taken) if has_any else given

    def _values(self, sent: Mapping[str, Any], held: str, before: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(before)
        for code, value in sent.items():
            field = self._field(code, held)
            if value is not None:
                values[code] = self._known(field, read(field, value))
            elif field.required and code in before:
                raise Invalid("It is required: it can be changed, and not cleared.", field=field.path)
            else:
                values.pop(code, None)
        return values

    def _field(self, code: str, held: str) -> CustomField:
        """Raises Invalid for a code that no value is written of."""
        if (field := self._fields.get(code)) is None:
            if self._all.is_contested(self._noun, code):
                raise Invalid(
                    "Values of the field that had this code before are being removed: send it again in a minute.",
                    field=f"{held}.{code}",
                )
            known = ", ".join(sorted(each.code for each in self._fields.values() if each.held_in == held)) or "none"
            raise Invalid(
                f"There is no such field of a {self._noun}. There are: {known}. One that was defined just now may not "
                "have arrived here yet: send it again in a moment.",
                field=f"{held}.{code[:100]}",
            )
        if field.held_in != held:
            raise Invalid(f"It is sent in `{field.held_in}`.", field=f"{held}.{code}")
        if field.archived:
            raise Invalid("The field is archived: it is read, and not written.", field=field.path)
        return field

    def _known(self, field: CustomField, value: Any) -> Any:
        """Returns the value. Raises Invalid for a link to a record of this service that is not there."""
        found = None if field.links_to is None else self._linked.get(field.links_to)
        if found is not None and UUID(value) not in found:
            raise Invalid(f"There is no {field.links_to} {value}.", field=field.path)
        return value

    def _complete(self, taken: Mapping[str, dict[str, Any]]) -> None:
        """Gives a new record the defaults. Raises Invalid for a required field without a value."""
        for field in self._fields.values():
            values = taken[field.held_in]
            if field.archived or field.code in values:
                continue
            if field.default is not None:
                values[field.code] = read_text(field, field.default)
            elif field.required and self._by_form:
                raise Invalid("It is required.", field=field.path)

    def check(self, before: Customisable | None, after: Customisable) -> None:
        """Raises NotUnique for a record that has a value of another one."""
        if _differ(before, after):
            for field, key in self._unique(after):
                if self._holders.get(key, after.id) != after.id:
                    raise NotUnique("Another record has this value, and the field is unique.", field=field.path)

    def note(self, before: Customisable | None, after: Customisable) -> None:
        """Notes that a record is as it is then."""
        if _differ(before, after):
            self._changed[after.id] = after
            for key in [key for key, holder in self._holders.items() if holder == after.id]:
                del self._holders[key]
            self._holders.update((key, after.id) for _, key in self._unique(after))

    def _unique(self, record: Customisable) -> Iterator[tuple[CustomField, tuple[UUID, str]]]:
        for field, value in self._held(record):
            if field.unique:
                yield field, (field.id, _text_of(field, value))

    def _held(self, record: Customisable) -> Iterator[tuple[CustomField, Any]]:
        for held in CUSTOM:
            for code, value in getattr(record, held).items():
                if (field := self._fields.get(code)) is not None and field.held_in == held:
                    yield field, value

    async def flush(self) -> None:
        """Writes the entries of the records that have changed."""
        if not self._changed:
            return
        values = {"tenant": self._tenant, "records": sorted(self._changed)}
        await self._connection.execute(_DELETE, values)
        rows = (row for id in sorted(self._changed) for row in self._entries(self._changed[id]))
        await insert_many(self._connection, ENTRIES, rows)
        self._changed = {}

    def _entries(self, record: Customisable) -> Iterator[dict[str, Any]]:
        for field, value in self._held(record):
            if field.has_entries:
                yield from entries_of(self._tenant, record.id, field, value)


def shared_of(fields: Mapping[str, CustomField]) -> frozenset[str]:
    return frozenset(code for code, field in fields.items() if not field.unique)


def _differ(before: Customisable | None, after: Customisable) -> bool:
    if before is None:
        return bool(after.custom or after.custom_personal)
    return before.custom != after.custom or before.custom_personal != after.custom_personal


def _text_of(field: CustomField, value: Any) -> str:
    (key,) = keys_of(field.value_type, value)
    return str(key)


_DELETE = delete(ENTRIES).where(
    ENTRIES.c.tenant_id == bindparam("tenant", type_=TenantId),
    ENTRIES.c.record_id == any_(bindparam("records", type_=ARRAY(Uuid))),
)
