"""What holds of every store of content."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from kith.attachments.store import ContentLost, FolderStore, Store, StoreFault

PIECES = [b"tea " * 100_000, b"cup"]
WHOLE = b"".join(PIECES)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = FolderStore(tmp_path / "contacts")
    yield store
    await store.close()


async def pieces() -> AsyncIterator[bytes]:
    for each in PIECES:
        yield each


async def cut() -> AsyncIterator[bytes]:
    yield PIECES[0]
    raise ConnectionError


def files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


async def read(store: Store, tenant: str, id: object, first: int, count: int) -> bytes:
    return b"".join([each async for each in store.read(tenant, id, first, count)])  # type: ignore[arg-type]


async def test_what_is_put_is_read_in_whole_and_in_part(store: Store) -> None:
    id = uuid4()
    assert await store.size("acme", id) is None
    await store.put("acme", id, pieces())
    assert await store.size("acme", id) == len(WHOLE)
    assert await read(store, "acme", id, 0, len(WHOLE)) == WHOLE
    assert await read(store, "acme", id, 399_998, 4) == WHOLE[399_998:400_002]
    assert await store.size("other", id) is None
    assert [(each.tenant, each.id) async for each in store.all()] == [("acme", id)]


async def test_what_is_cut_off_is_not_there(store: Store, tmp_path: Path) -> None:
    id = uuid4()
    with pytest.raises(ConnectionError):
        await store.put("acme", id, cut())
    assert await store.size("acme", id) is None
    assert files(tmp_path) == []
    await store.put("acme", id, pieces())
    assert await store.size("acme", id) == len(WHOLE)


async def test_what_is_dropped_is_gone_and_may_be_dropped_again(store: Store) -> None:
    one, other = uuid4(), uuid4()
    await store.put("acme", one, pieces())
    for tenant in ("acme", "acme2"):
        await store.put(tenant, other, pieces())
    for _ in range(2):
        await store.drop("acme", one)
        assert await store.size("acme", one) is None
    for _ in range(2):
        await store.drop_all("acme")
    assert [(each.tenant, each.id) async for each in store.all()] == [("acme2", other)]


async def test_what_is_shorter_than_it_was_is_told(store: Store, tmp_path: Path) -> None:
    id = uuid4()
    await store.put("acme", id, pieces())
    (file,) = files(tmp_path)
    file.write_bytes(b"te")
    with pytest.raises(ContentLost):
        await read(store, "acme", id, 0, len(WHOLE))


async def test_a_disk_that_cannot_be_written_is_a_fault_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = FolderStore(tmp_path / "file")
    with pytest.raises(StoreFault, match="Not a directory"):
        await store.put("acme", uuid4(), pieces())
    await store.close()
