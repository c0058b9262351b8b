"""Takes in content as it arrives: to the store piece by piece, hashed and counted on the way, in the memory of a piece.

First there is a row, then the content, then what is attached: whoever is killed in between leaves a row of which the
worker removes what is there (kith.attachments.sweeping). No connection to the database is held meanwhile, however
slowly a client sends.
"""

import hashlib
from asyncio import timeout
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, update
from starlette.exceptions import HTTPException

from kith.attachments import kinds
from kith.attachments.settings import MEBIBYTE, AttachmentSettings
from kith.attachments.store import PIECE, Store
from kith.attachments.tables import CONTENTS, DROPS
from kith.db.connections import Database
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid, TenantRemoved

LONGEST_SECONDS = 3600


class AttachmentsFull(Conflict):
    code = ErrorCode.ATTACHMENTS_FULL


@dataclass(frozen=True)
class Limits:
    bytes: int
    of_tenant: int
    types: Collection[str]

    @classmethod
    def of(cls, settings: AttachmentSettings) -> "Limits":
        return cls(
            settings.attachments_megabytes * MEBIBYTE,
            settings.attachments_tenant_megabytes * MEBIBYTE,
            frozenset(settings.attachments_types),
        )


@dataclass(slots=True)
class Content:
    """What was received."""

    id: UUID
    """By which it can be attached, once, within a day."""
    size: int
    """In bytes."""
    media_type: str
    sha256: str
    """In hexadecimal."""


class _Counted:
    """The body on its way to the store."""

    def __init__(self, body: AsyncIterator[bytes], media_type: str, most: int) -> None:
        self._body, self._media_type, self._most = body, media_type, most
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yields it in pieces of some size. Raises Invalid, and HTTPException (413)."""
        held, checked = bytearray(), False
        async for piece in self._body:
            self.size += len(piece)
            if self.size > self._most:
                raise too_large(self._most)
            self._hash.update(piece)
            held += piece
            if not checked and len(held) >= kinds.HEAD:
                kinds.check(self._media_type, bytes(held[: kinds.HEAD]))
                checked = True
            if len(held) >= PIECE:
                yield bytes(held)
                held.clear()
        if not checked:
            kinds.check(self._media_type, bytes(held))
        if held:
            yield bytes(held)
        if not self.size:
            raise Invalid("It is empty.", field="content")


def too_large(most: int) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"An attachment has at most {most} bytes.")


class Contents:
    """The content of one service's attachments."""

    def __init__(self, database: Database, store: Store, limits: Limits) -> None:
        self._database = database
        self.store = store
        self._limits = limits

    async def receive(
        self, tenant: str, media_type: str, declared: int | None, body: AsyncIterator[bytes], sha256: str | None = None
    ) -> Content:
        """Takes in content, of a size that is declared, if it is. Raises HTTPException (413, 415), AttachmentsFull,
        Invalid and StoreFault; then nothing is kept."""
        most = self._limits.bytes
        if media_type not in self._limits.types:
            known = ", ".join(sorted(self._limits.types))
            detail = f"An attachment is of one of these types, which Content-Type names: {known}."
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        if declared is not None and declared > most:
            raise too_large(most)
        counted = _Counted(body, media_type, most)
        id = await self._begun(tenant, most if declared is None else declared)
        try:
            async with timeout(LONGEST_SECONDS):
                await self.store.put(tenant, id, counted.pieces())
            if declared not in (None, counted.size):
                raise Invalid(f"{counted.size} bytes came, of {declared} that were announced.", field="content")
            if sha256 not in (None, counted.sha256):
                raise Invalid(f"What came has another: {counted.sha256}.", field="sha256")
            await self._ended(tenant, id, media_type, counted)
        except Exception as error:
            await self.withdraw(tenant, id)
            if isinstance(error, TimeoutError):
                raise Invalid(f"An attachment is sent within {LONGEST_SECONDS} seconds.", field="content") from None
            raise
        return Content(id, counted.size, media_type, counted.sha256)

    async def withdraw(self, tenant: str, id: UUID) -> None:
        """Has what was received removed. It must not be attached."""
        c = CONTENTS.c
        try:
            async with self._database.write(tenant) as transaction:
                connection = transaction.connection
                await connection.execute(delete(CONTENTS).where(c.tenant_id == tenant, c.id == id))
                await connection.execute(insert(DROPS).values(tenant_id=tenant, id=id))
        except TenantRemoved:  # whoever removes what it had may have passed by already
            await self.store.drop(tenant, id)

    async def _begun(self, tenant: str, size: int) -> UUID:
        # By chance, and not in the order of time: whoever knows it may attach it.
        id, c, most = uuid4(), CONTENTS.c, self._limits.of_tenant
        async with self._database.write(tenant) as transaction:
            connection = transaction.connection
            # What comes in at the same time is counted by what it may have.
            held = int(await connection.scalar(select(func.sum(c.size)).where(c.tenant_id == tenant)) or 0)
            if held + size > most:
                raise AttachmentsFull(f"The attachments of a tenant have at most {most} bytes, and there are {held}.")
            await connection.execute(insert(CONTENTS).values(tenant_id=tenant, id=id, size=size))
        return id

    async def _ended(self, tenant: str, id: UUID, media_type: str, counted: _Counted) -> None:
        c, found = CONTENTS.c, {"size": counted.size, "media_type": media_type, "sha256": counted.sha256}
        async with self._database.write(tenant) as transaction:
            mine = update(CONTENTS).where(c.tenant_id == tenant, c.id == id).values(**found)
            await transaction.connection.execute(mine)
