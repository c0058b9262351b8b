"""The adapter that keeps content in a bucket of S3, or of what speaks as S3 does."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from kith.attachments.store import PIECE, ContentLost, Kept, StoreFault

_PART = 5 * 1024 * 1024
"""The least that S3 takes as a part: so much of each upload is in memory, and twice as much while it is sent."""
_DROPPED_AT_ONCE = 1000


class _Watched:
    """Pieces on their way through obstore, which shows what they raise as an error of its own."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.raised: BaseException | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.raised = error
            raise


class BucketStore:
    """Below the prefix by tenant and id. The bucket has to remove parts of uploads that were never completed."""

    def __init__(
        self, bucket: str, prefix: str, *, endpoint: str | None, region: str, key: tuple[str, str] | None
    ) -> None:
        config: dict[str, Any] = {"region": region}
        if endpoint is not None:
            config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        if key is not None:  # else as Amazon's own tools find it: by the environment, or the role of the machine
            config |= {"access_key_id": key[0], "secret_access_key": key[1]}
        plain = endpoint is not None and endpoint.startswith("http://")
        options: Any = {"allow_http": plain, "connect_timeout": "5s", "timeout": "60s"}
        retries: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
        self._store = S3Store(bucket, prefix=prefix, config=config, client_options=options, retry_config=retries)  # type: ignore[arg-type]  # as read from settings

    async def put(self, tenant: str, id: UUID, pieces: AsyncIterator[bytes]) -> None:
        watched = _Watched(pieces)
        try:
            await obstore.put_async(
                self._store, _path(tenant, id), watched, use_multipart=True, chunk_size=_PART, max_concurrency=1
            )
        except Exception as error:
            if watched.raised is not None:
                raise watched.raised from None
            raise _fault(error) from error

    async def size(self, tenant: str, id: UUID) -> int | None:
        try:
            found = await obstore.head_async(self._store, _path(tenant, id))
        except (NotFoundError, FileNotFoundError):
            return None
        except BaseError as error:
            raise _fault(error) from error
        return int(found["size"])

    async def read(self, tenant: str, id: UUID, first: int, count: int) -> AsyncIterator[bytes]:
        with _faults():
            found = await obstore.get_async(self._store, _path(tenant, id), options={"range": (first, first + count)})
            async for piece in found.stream(min_chunk_size=PIECE):
                count -= len(piece)
                yield bytes(piece)
        if count:
            raise ContentLost(f"Content {id} lacks {count} bytes.")

    async def drop(self, tenant: str, id: UUID) -> None:
        try:
            await obstore.delete_async(self._store, _path(tenant, id))
        except (NotFoundError, FileNotFoundError):
            pass
        except BaseError as error:
            raise _fault(error) from error

    async def drop_all(self, tenant: str) -> None:
        with _faults():
            async for page in obstore.list(self._store, prefix=tenant, chunk_size=_DROPPED_AT_ONCE):
                await obstore.delete_async(self._store, [each["path"] for each in page])

    async def all(self) -> AsyncIterator[Kept]:
        with _faults():
            async for page in obstore.list(self._store, chunk_size=_DROPPED_AT_ONCE):
                for each in page:
                    tenant, _, name = each["path"].partition("/")
                    yield Kept(tenant, UUID(name), each["last_modified"])

    async def close(self) -> None:
        """It holds no connection that it would have to give back."""


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except NotFoundError as error:
        raise ContentLost("It is not in the bucket.") from error
    except BaseError as error:
        raise _fault(error) from error


def _fault(error: Exception) -> StoreFault:
    return StoreFault(f"The store cannot be used: {type(error).__name__}.")


def _path(tenant: str, id: UUID) -> str:
    return f"{tenant}/{id.hex}"
