"""The task of the workers that confirms an erasure for contacts: when notes and attachments are gone, the content of
these from the store, too, and imports have been looked through."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Table, and_, func, literal, null, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contacts.adoptions.form import ADOPTIONS
from contacts.attachments.form import ATTACHMENTS, attachments
from contacts.consents.form import CONSENTS
from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.erasure.noting import SERVICE
from contacts.notes.form import NOTES, notes
from contacts.tables import erasures, idempotency, outbox
from contacts.touchpoints.form import TOUCHPOINTS
from contacts.usages.form import USAGES
from contacts.web_visits.form import WEB_VISITS
from kith.attachments.tables import DROPS
from kith.customers.erasing import NAMED_BY, VERSION, confirm, is_due
from kith.db.removed import TABLE as REMOVED
from kith.events.contacts import ErasureConfirmed
from kith.imports.forgetting import KnownBy, forget
from kith.imports.tables import IMPORTS
from kith.jobs.table import DUE, JobState
from kith.nouns.blinding import blind_keys
from kith.nouns.erasing import take_out
from kith.nouns.resource import Resource
from kith.runtime.tasks import Task
from kith.runtime.turns import Turns

_ROWS_OF_IMPORTS = "import_rows"
"""Under which name a receipt counts them."""
AT_A_TIME = 1000
_OF_BOTH = (TOUCHPOINTS, USAGES, ADOPTIONS, WEB_VISITS, NOTES, ATTACHMENTS)
_NAMED = {"customer": (CUSTOMERS, *_OF_BOTH), "contact": (CONTACTS, CONSENTS, *_OF_BOTH)}
"""The nouns of which records go by a name that a client has given them. A contact of a customer who is erased stays,
with its consents, until it is erased itself."""
_E = erasures.c
_REMOVED = select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))


def confirming() -> Task:
    """Returns the task. Any number of workers may do it."""
    due = (_E.service == SERVICE, is_due(erasures), _E.tenant_id.not_in(_REMOVED), *_nothing_is_left())
    turns = Turns(select(_E.tenant_id).where(*due))

    async def step(engine: AsyncEngine) -> bool:
        async with engine.connect() as connection:
            if (tenant := await turns.next(connection)) is None:
                return False
            # In any order, so that one which fails is not always before the others.
            one = (
                select(_E.record_id, _E.noun, _E.known_by)
                .where(_E.tenant_id == tenant, *due)
                .order_by(func.random())
                .limit(1)
            )
            if (row := (await connection.execute(one)).one_or_none()) is None:
                return False
        found = 0 if row.known_by is None else await forget(engine, tenant, msgspec.convert(row.known_by, KnownBy))
        for resource in _NAMED[row.noun]:
            while await _blind_some(engine, tenant, resource, row.noun, row.record_id):
                pass
        async with engine.begin() as connection:
            await _confirm(connection, tenant, row.record_id, found)
        return True

    return Task("confirmations of erasures", step, seconds=1)


def noting_others() -> Task:
    """Returns the task that notes what code of before has erased, which did not note it."""
    columns = [_E.tenant_id, _E.record_id, _E.service, _E.noun, _E.noted_at]
    kinds = [
        select(c.tenant_id, c.id, literal(SERVICE), literal(each.name), c.erased_at)
        .outerjoin(erasures, and_(_E.tenant_id == c.tenant_id, _E.record_id == c.id))
        .where(c.erased_at.is_not(None), _E.record_id.is_(None), c.tenant_id.not_in(_REMOVED))
        .limit(AT_A_TIME)
        for each in (CUSTOMERS, CONTACTS)
        for c in [each.table.c]
    ]
    rows = union_all(*(select(each.subquery()) for each in kinds))

    async def step(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            noted = await connection.execute(insert(erasures).from_select(columns, rows).on_conflict_do_nothing())
        return noted.rowcount >= AT_A_TIME

    return Task("erasures of before", step, seconds=300)


def _nothing_is_left() -> Iterator[ColumnElement[bool]]:
    """Yields the conditions under which what was erased in a transaction of its own is erased."""
    for table in (notes, attachments):
        yield ~select(null()).where(_of(table), table.c.erased_at.is_(None)).exists()
    a, d, i = attachments.c, DROPS.c, IMPORTS.c
    yield ~select(null()).where(_of(attachments), a.content_id.is_not(None)).exists()
    dropped = and_(d.tenant_id == a.tenant_id, d.attachment_id == a.id)
    yield ~select(null()).select_from(attachments.join(DROPS, dropped)).where(_of(attachments)).exists()
    for each in (CUSTOMERS, CONTACTS):
        c = each.table.c
        merged = and_(c.tenant_id == _E.tenant_id, c.merged_into == _E.record_id, c.erased_at.is_(None))
        yield or_(_E.noun != each.name, ~select(null()).where(merged).exists())
    # What is being imported may name it in a row that comes to be refused.
    under_way = and_(i.tenant_id == _E.tenant_id, i.state.in_([*DUE, JobState.PAUSED]), i.requested_at < _E.noted_at)
    yield ~select(null()).where(under_way).exists()


def _of(table: Table) -> ColumnElement[bool]:
    """Whether a record is of what an erasure has erased."""
    names = (
        and_(_E.noun == noun, or_(*(table.c[each] == _E.record_id for each in columns)))
        for noun, columns in NAMED_BY.items()
    )
    return and_(table.c.tenant_id == _E.tenant_id, or_(*names))


async def _blind_some(engine: AsyncEngine, tenant: str, resource: Resource, noun: str, id: UUID) -> bool:
    """Takes out of some records what clients have named them by. Returns whether there may be more of the noun."""
    c = resource.table.c
    of = or_(*(c[each] == id for each in (*NAMED_BY[noun], "merged_into") if each in c), c.id == id)
    async with engine.begin() as connection:
        done = await take_out(
            connection, tenant, resource.table, [], of, idempotency=idempotency, most=AT_A_TIME, named=resource.plural
        )
        if len(done) < AT_A_TIME:
            them = select(c.id).where(c.tenant_id == tenant, of)
            await blind_keys(connection, tenant, idempotency.c.subject.in_(them), idempotency)
    return len(done) == AT_A_TIME


async def _confirm(connection: AsyncConnection, tenant: str, id: UUID, rows_of_imports: int) -> None:
    of_it = (_E.tenant_id == tenant, _E.record_id == id, _E.service == SERVICE)
    mine = select(_E.noun, _E.erased_at).where(*of_it, is_due(erasures), *_nothing_is_left())
    row = (await connection.execute(mine.with_for_update(skip_locked=True))).one_or_none()
    if row is None:  # another worker has done it, or there is more to do
        return
    done: dict[str, Any] = {"version": VERSION, "known_by": None}
    if row.erased_at is None:
        records = await _counted(connection, tenant, id, row.noun)
        if rows_of_imports:
            records[_ROWS_OF_IMPORTS] = rows_of_imports
        event = ErasureConfirmed(of_noun=row.noun, record_id=id, records=records)
        await confirm(connection, tenant, SERVICE, event, outbox)
        done |= {"erased_at": func.clock_timestamp(), "records": msgspec.json.encode(records).decode()}
    await connection.execute(update(erasures).where(*of_it).values(done))


async def _counted(connection: AsyncConnection, tenant: str, id: UUID, noun: str) -> dict[str, int]:
    """Returns how many records were erased with it, by noun."""
    found = {f"{noun}s": 1}
    for table in (notes, attachments):
        since = table.c.erased_at >= _E.noted_at
        rows = select(func.count()).select_from(table.join(erasures, _of(table)))
        number = await connection.scalar(rows.where(_E.tenant_id == tenant, _E.record_id == id, since))
        if number:
            found[table.name] = number
    return found
