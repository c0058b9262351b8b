"""Reads consents as they were at an instant, and who may be contacted then."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.consents.form import consents
from contacts.consents.rules import Because, ConsentChannel, ConsentState, Said, Standing, Verdict, standing, verdict
from contacts.contacts.form import contacts
from contacts.tables import history
from kith.customers.links import survivors
from kith.db.owned import within
from kith.db.tables import Moment
from kith.reach import EVERYONE, Reach


@dataclass(slots=True)
class ConsentAt:
    """A consent as it was at an instant. `state` is `expired` from `expires_at` on."""

    id: UUID
    contact_id: UUID
    purpose: str
    channel: ConsentChannel
    state: Standing
    separate: bool
    text_version: str | None
    source: str | None
    requested_at: datetime | None
    given_at: datetime | None
    withdrawn_at: datetime | None
    refused_at: datetime | None
    expires_at: datetime | None

    @property
    def since(self) -> datetime:
        """When it was said that it is so."""
        by = ConsentState.GIVEN if self.state is Standing.EXPIRED else self.state
        since: datetime = getattr(self, f"{by}_at")
        return since

    def said(self) -> Iterator[Said]:
        """Yields what of it decides. A no holds while it is asked for again: another consent, of any channel say, that
        was given before does not come back by the question."""
        yield Said(self.state, self.since, self.id)
        noes = {Standing.WITHDRAWN: self.withdrawn_at, Standing.REFUSED: self.refused_at}
        for no, at in noes.items():
            if self.state is Standing.REQUESTED and at is not None and (self.given_at is None or at >= self.given_at):
                yield Said(no, at, self.id)


class _Row(msgspec.Struct):
    """A consent as a database has it, or a history."""

    id: UUID
    contact_id: UUID
    purpose: str
    channel: ConsentChannel
    state: ConsentState
    separate: bool
    text_version: str | None = None
    source: str | None = None
    requested_at: datetime | None = None
    given_at: datetime | None = None
    withdrawn_at: datetime | None = None
    refused_at: datetime | None = None
    expires_at: datetime | None = None


_FIELDS = _Row.__struct_fields__


async def clock(connection: AsyncConnection) -> datetime:
    now: datetime = (await connection.execute(select(cast(func.clock_timestamp(), Moment)))).scalar_one()
    return now


async def consents_at(
    connection: AsyncConnection, tenant: str, of: Collection[UUID], at: datetime, reach: Reach = EVERYONE
) -> dict[UUID, list[ConsentAt]]:
    """Returns the consents of these contacts as they were at the instant, in the order of purposes and channels, by
    contact; of one that is merged those of the one that remains. They are those within reach: of two that are one each
    may be somebody else's. What they are now is changed back by their histories."""
    c, h = consents.c, history.c
    remaining = await survivors(connection, tenant, contacts, of)
    ids = {remaining.get(each, each) for each in of}
    rows = select(*(c[name] for name in _FIELDS))
    rows = rows.where(c.tenant_id == tenant, c.contact_id.in_(ids), c.created_at <= at)
    if reach.owners is not None:
        rows = rows.where(within(consents, owners=cast([*reach.owners], ARRAY(Uuid))))
    found = {row.id: dict(zip(_FIELDS, row, strict=True)) for row in await connection.execute(rows)}
    later = (
        select(h.subject, h.changes)
        .where(h.tenant_id == tenant, h.subject.in_(found), h.time > at, h.changes.is_not(None))
        .order_by(h.subject, h.version.desc())
    )
    for change in await connection.execute(later) if found else ():
        for name, (old, _) in change.changes.items():
            if name in _FIELDS:
                found[change.subject][name] = old
    by_contact = defaultdict[UUID, list[ConsentAt]](list)
    for each in sorted(found.values(), key=lambda each: (each["purpose"], each["channel"], each["id"])):
        row = msgspec.convert(each, _Row)
        by_contact[row.contact_id].append(
            ConsentAt(**{name: getattr(row, name) for name in _FIELDS} | {"state": standing(row, at)})
        )
    return {each: by_contact[remaining.get(each, each)] for each in of}


async def who_may_be_contacted(
    connection: AsyncConnection,
    tenant: str,
    of: Sequence[UUID],
    *,
    purpose: str,
    channel: ConsentChannel,
    at: datetime,
) -> Mapping[UUID, Verdict]:
    """Decides for each of these contacts whether it may be sent something for this purpose by this channel at that
    instant. Whatever sends something asks here, and tells the reason where it may not. Contacts that are not there are
    left out."""
    remains = contacts.alias()
    is_it = (remains.c.tenant_id == tenant, remains.c.id == func.coalesce(contacts.c.merged_into, contacts.c.id))
    erased_at = func.coalesce(contacts.c.erased_at, remains.c.erased_at).label("erased_at")
    rows = select(contacts.c.id, erased_at, remains.c.archived_at).join(remains, and_(*is_it))
    rows = rows.where(contacts.c.tenant_id == tenant, contacts.c.id.in_(of))
    there = (await connection.execute(rows)).all()
    held = await consents_at(connection, tenant, of, at)
    found: dict[UUID, Verdict] = {}
    for contact in there:
        if contact.erased_at is not None:
            found[contact.id] = Verdict(Because.CONTACT_ERASED)
        elif contact.archived_at is not None:
            found[contact.id] = Verdict(Because.CONTACT_ARCHIVED)
        else:
            concerned = (each for each in held.get(contact.id, ()) if each.purpose == purpose)
            found[contact.id] = verdict(
                said for each in concerned if each.channel in {channel, ConsentChannel.ANY} for said in each.said()
            )
    return found
