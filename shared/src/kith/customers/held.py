"""What a service holds of a person: every record of its nouns that is of a customer or a contact, or names it, with the
personal fields and the history. It follows from the forms, so that what is added to a service is in it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.audit.disclosures import Disclosure
from kith.audit.entries import Read
from kith.customers.erasing import NAMED_BY
from kith.db.statements import zoned
from kith.nouns import history_reads
from kith.nouns.queries import BATCH
from kith.nouns.resource import Resource

_Line = Mapping[str, Any]


class PersonNoun(StrEnum):
    CUSTOMER = "customer"
    CONTACT = "contact"


class Person(NamedTuple):
    """Whom it is asked of."""

    tenant: str
    noun: PersonNoun
    id: UUID


async def is_held(connection: AsyncConnection, resources: Sequence[Resource], person: Person) -> bool:
    """Returns whether there is anything."""
    there = [rows.exists() for each in resources if (rows := _rows(each, person)) is not None]
    return bool(await connection.scalar(select(or_(false(), *there))))


async def held_of(
    connection: AsyncConnection, resources: Sequence[Resource], person: Person, disclosure: Disclosure
) -> AsyncIterator[list[_Line]]:
    """Yields the records as lines, a batch at a time, and after each batch its history; noun by noun. It notes which
    records it shows."""
    for resource in resources:
        if (rows := _rows(resource, person)) is None:
            continue
        # In no order: by an order the snapshot would read all of the tenant's rows (see kith.db.connections).
        async with connection.stream(rows.execution_options(yield_per=BATCH)) as found:
            async for piece in found.partitions():
                records = [zoned(dict(zip(resource.view_fields, row, strict=True))) for row in piece]
                ids = [each["id"] for each in records]
                if resource.has_personal:
                    disclosure.note(Read.EXPORT, resource.name, ids)
                yield [{"noun": resource.name, "record": each} for each in records]
                if not resource.insert_only:
                    async for entries in history_reads.whole(connection, person.tenant, resource, ids):
                        yield [{"noun": resource.name, "id": id, "history": each} for id, each in entries]


def _rows(resource: Resource, person: Person) -> Select[Any] | None:
    """Selects the records of a noun that are of the person; None: those of this noun are of nobody."""
    columns, names = resource.table.c, NAMED_BY[person.noun]
    of: list[ColumnElement[bool]] = [columns[name] == person.id for name in names if name in columns]
    if resource.name == person.noun:
        of.append(columns.id == person.id)
        of += [columns.merged_into == person.id] if "merged_into" in columns else []
    if not of:
        return None
    rows = select(*(columns[name] for name in resource.view_fields))
    return rows.where(columns.tenant_id == person.tenant, or_(*of))
