"""The chain of a tenant's audit log: each entry has a position, and a hash of itself and of the hash before it.

One transaction at a time gives them (`seal`), a moment after the entries were added: so requests do not wait for each
other. Whoever changes an entry has to change all hashes after it, up to the head, which `heads` says for keeping it
elsewhere.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ARRAY, BigInteger, LargeBinary, Text, Uuid, cast, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.audit.table import AUDIT_LOG, TABLE
from kith.runtime.slices import PIECE
from kith.runtime.tasks import Task

_C = TABLE.c
_CONTENT = (_C.tenant_id, _C.id, _C.at, _C.actor, _C.action, _C.noun, _C.subjects, _C.detail)
_encode = msgspec.json.Encoder().encode
BEGINNING = b""
"""What stands for the hash before the first."""


class Head(msgspec.Struct, frozen=True):
    """The last entry of a tenant's chain, at some instant."""

    tenant: str
    position: int
    hash: str


class Verified(NamedTuple):
    """A tenant's chain, checked."""

    tenant: str
    entries: int
    head: Head | None
    faults: Sequence[str]


def hash_of(before: bytes, position: int, row: Any) -> bytes:
    """Returns the SHA-256 of the hash before it and of the position and the content, as a JSON array."""
    content = [
        position,
        row.tenant_id,
        str(row.id),
        row.at.astimezone(UTC).isoformat(),
        row.actor,
        row.action,
        row.noun,
    ]
    return sha256(before + _encode([*content, row.subjects, row.detail])).digest()


async def seal(engine: AsyncEngine) -> bool:
    """Appends the oldest entries that are not in their chains yet. Returns whether there may be more."""
    async with engine.begin() as connection:
        if not await connection.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(AUDIT_LOG, 0)))):
            return False
        rows = (
            await connection.execute(select(*_CONTENT).where(_C.position.is_(None)).order_by(_C.id).limit(PIECE))
        ).all()
        if not rows:
            return False
        ends = await _ends(connection, {row.tenant_id for row in rows})
        sealed = []
        for row in rows:
            position, before = ends.get(row.tenant_id, (0, BEGINNING))
            ends[row.tenant_id] = position + 1, hash_of(before, position + 1, row)
            sealed.append((row.tenant_id, row.id, *ends[row.tenant_id]))
        await _write(connection, sealed)
    return len(rows) == PIECE


async def _ends(connection: AsyncConnection, tenants: set[str]) -> dict[str, tuple[int, bytes]]:
    wanted = func.unnest(cast(sorted(tenants), ARRAY(Text))).table_valued("tenant_id").render_derived(name="wanted")
    last = (
        select(_C.position, _C.hash)
        .where(_C.tenant_id == wanted.c.tenant_id, _C.position.is_not(None))
        .order_by(_C.position.desc())
        .limit(1)
        .lateral()
    )
    rows = await connection.execute(select(wanted.c.tenant_id, *last.c).select_from(wanted, last))
    return {row.tenant_id: (row.position, row.hash) for row in rows}


async def _write(connection: AsyncConnection, sealed: Sequence[tuple[Any, ...]]) -> None:
    types: tuple[Any, ...] = (Text, Uuid, BigInteger, LargeBinary)
    columns = zip(zip(*sealed, strict=True), types, strict=True)
    arrays: list[Any] = [cast(list(values), ARRAY(type)) for values, type in columns]
    given = func.unnest(*arrays).table_valued("tenant_id", "id", "position", "hash").render_derived(name="given")
    await connection.execute(
        update(TABLE)
        .where(_C.tenant_id == given.c.tenant_id, _C.id == given.c.id, _C.position.is_(None))
        .values(position=given.c.position, hash=given.c.hash)
    )


async def heads(connection: AsyncConnection) -> list[Head]:
    """Returns the last entries of all chains."""
    tenants = set(await connection.scalars(select(_C.tenant_id).distinct()))
    found = await _ends(connection, tenants)
    return [Head(tenant, position, hash.hex()) for tenant, (position, hash) in sorted(found.items())]


async def verify(connection: AsyncConnection, tenant: str, known: Sequence[Head] = ()) -> Verified:
    """Checks the tenant's chain, and that it goes on from heads that were known before."""
    faults: list[str] = []
    hashes: dict[int, str] = {}
    expected, before = 1, BEGINNING
    wanted = {head.position for head in known}
    async for row in _chain(connection, tenant):
        if row.position > expected:
            missing = f"{expected}" if row.position == expected + 1 else f"{expected} to {row.position - 1}"
            faults.append(f"position {missing}: missing")
        elif row.hash != hash_of(before, row.position, row):
            faults.append(f"position {row.position}: entry {row.id} was altered, or what is before it")
        expected, before = row.position + 1, row.hash
        if row.position in wanted:
            hashes[row.position] = row.hash.hex()
    faults += _departures(known, hashes, last=expected - 1)
    head = Head(tenant, expected - 1, before.hex()) if expected > 1 else None
    return Verified(tenant, expected - 1, head, faults)


def _departures(known: Sequence[Head], hashes: Mapping[int, str], *, last: int) -> Iterator[str]:
    for head in known:
        if head.position > last:
            yield f"position {head.position}: missing, and so is what follows {last}"
        elif hashes.get(head.position) != head.hash:
            yield f"position {head.position}: the hash is another one than was kept: the chain was written anew"


async def _chain(connection: AsyncConnection, tenant: str) -> AsyncIterator[Any]:
    rows = (
        select(*_CONTENT, _C.position, _C.hash)
        .where(_C.tenant_id == tenant, _C.position.is_not(None))
        .order_by(_C.position)
        .execution_options(yield_per=PIECE)
    )
    async with connection.stream(rows) as found:
        async for row in found:
            yield row


SEALING = Task("audit log", seal, seconds=1)
