"""The port behind which content is kept, and the adapter that keeps it in a folder.

What is kept has an id that we made: no name that a client chose leads to it. It is there as a whole or not at all.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

T = TypeVar("T")

PIECE = 256 * 1024
"""Bytes that are written or read at a time."""
_THREADS = 8


class StoreFault(Exception):
    """The store cannot be used now."""

    loggable = True


class ContentLost(Exception):
    """The store has not what it was given."""


class Kept(NamedTuple):
    tenant: str
    id: UUID
    at: datetime


class Readable(Protocol):
    """Its operations raise StoreFault."""

    async def size(self, tenant: str, id: UUID) -> int | None:
        """Returns how many bytes are kept; None if there is nothing."""

    def read(self, tenant: str, id: UUID, first: int, count: int) -> AsyncIterator[bytes]:
        """Yields so many bytes from that one on."""


class Store(Readable, Protocol):
    """Its operations raise StoreFault."""

    async def put(self, tenant: str, id: UUID, pieces: AsyncIterator[bytes]) -> None:
        """Keeps the pieces. If they raise, or it is cancelled, nothing is kept."""

    async def drop(self, tenant: str, id: UUID) -> None:
        """Removes it, if it is there."""

    async def drop_all(self, tenant: str) -> None:
        """Removes all that is kept of a tenant."""

    def all(self) -> AsyncIterator[Kept]:
        """Yields what is kept, of all tenants."""

    async def close(self) -> None: ...


class FolderStore:
    """Below the folder one for each tenant, and in that one for the last two characters of an id. Several processes may
    share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="attachments")

    async def put(self, tenant: str, id: UUID, pieces: AsyncIterator[bytes]) -> None:
        path = self._path(tenant, id)
        part = path.with_suffix(".part")
        file = await self._in_thread(lambda: _begun(part))
        try:
            async for piece in pieces:
                await self._in_thread(lambda piece=piece: _write(file, piece))  # type: ignore[misc]  # of this turn
            await self._in_thread(lambda: os.fsync(file))
            await self._in_thread(lambda: _end(part, path))
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        finally:
            os.close(file)

    async def size(self, tenant: str, id: UUID) -> int | None:
        return await self._in_thread(lambda: _size(self._path(tenant, id)))

    async def read(self, tenant: str, id: UUID, first: int, count: int) -> AsyncIterator[bytes]:
        file = await self._in_thread(lambda: os.open(self._path(tenant, id), os.O_RDONLY | os.O_NOFOLLOW))
        try:
            while count > 0:
                at, most = first, min(count, PIECE)
                piece = await self._in_thread(lambda at=at, most=most: os.pread(file, most, at))  # type: ignore[misc]
                if not piece:
                    raise ContentLost(f"Content {id} ends at {first} bytes.")
                yield piece
                first, count = first + len(piece), count - len(piece)
        finally:
            os.close(file)

    async def drop(self, tenant: str, id: UUID) -> None:
        await self._in_thread(lambda: self._path(tenant, id).unlink(missing_ok=True))

    async def drop_all(self, tenant: str) -> None:
        def drop() -> None:
            with suppress(FileNotFoundError):
                shutil.rmtree(self._folder / tenant)

        await self._in_thread(drop)

    async def all(self) -> AsyncIterator[Kept]:
        # By folders of a few hundred files each: no list of everything.
        for folder in await self._in_thread(lambda: sorted(self._folder.glob("*/??"))):
            for kept in await self._in_thread(lambda folder=folder: list(_kept_in(folder))):  # type: ignore[misc]
                yield kept

    async def close(self) -> None:
        self._threads.shutdown(wait=False)

    def _path(self, tenant: str, id: UUID) -> Path:
        return self._folder / tenant / id.hex[-2:] / id.hex

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """A disk may keep one waiting. Whoever is cancelled waits until the thread has done with the file."""
        doing = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.wait([doing])
            raise
        except OSError as error:
            raise StoreFault(f"The store cannot be used: {error.strerror}.") from error


def _begun(part: Path) -> int:
    part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def _write(file: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]


def _end(part: Path, path: Path) -> None:
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _kept_in(folder: Path) -> Iterator[Kept]:
    for path in folder.iterdir():
        with suppress(ValueError, FileNotFoundError):  # a part has no id, and what was just removed no time
            id = UUID(path.stem)
            yield Kept(folder.parent.name, id, datetime.fromtimestamp(path.stat().st_mtime, UTC))
