"""What holds of every store of content."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.kith.attachments.bucket import BUCKET, KEY, SECRET, Bucket, bucket

from kith.attachments.s3 import BucketStore
from kith.attachments.store import ContentLost, FolderStore, Store, StoreFault

PIECES = [b"tea " * 100_000, b"cup"]
WHOLE = b"".join(PIECES)


@pytest.fixture(scope="module")
def there() -> Iterator[Bucket]:
    with bucket() as found:
        yield found


def kept_in(there: Bucket) -> BucketStore:
    return BucketStore(BUCKET, "contacts", endpoint=there.url, region="eu-central-1", key=(KEY, SECRET))


@pytest.fixture(params=["folder", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, there: Bucket) -> AsyncIterator[Store]:
    there.objects.clear()
    store: Store = FolderStore(tmp_path / "contacts") if request.param == "folder" else kept_in(there)
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


async def test_what_is_cut_off_is_not_there(store: Store, tmp_path: Path, there: Bucket) -> None:
    id = uuid4()
    with pytest.raises(ConnectionError):
        await store.put("acme", id, cut())
    assert await store.size("acme", id) is None
    assert (files(tmp_path), there.objects, there.parts) == ([], {}, {})
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


async def test_what_is_shorter_than_it_was_is_told(store: Store, tmp_path: Path, there: Bucket) -> None:
    id = uuid4()
    await store.put("acme", id, pieces())
    for file in files(tmp_path):
        file.write_bytes(b"te")
    there.objects = dict.fromkeys(there.objects, b"te")
    with pytest.raises((ContentLost, StoreFault)):
        await read(store, "acme", id, 0, len(WHOLE))


async def test_a_disk_that_cannot_be_written_is_a_fault_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = FolderStore(tmp_path / "file")
    with pytest.raises(StoreFault, match="Not a directory"):
        await store.put("acme", uuid4(), pieces())
    await store.close()


async def test_what_is_large_goes_to_a_bucket_in_parts(there: Bucket) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield bytes(256 * 1024)

    id, store = uuid4(), kept_in(there)
    there.asked.clear()
    await store.put("acme", id, large())
    assert there.objects[f"contacts/acme/{id.hex}"] == bytes(12 * 1024 * 1024)
    assert sorted(there.asked) == [
        "POST ['uploadId']",
        "POST ['uploads']",
        *["PUT ['partNumber', 'uploadId']"] * 3,
    ]


async def test_a_bucket_that_does_not_know_us_is_a_fault_of_the_store(there: Bucket) -> None:
    id = uuid4()
    stranger = BucketStore(BUCKET, "contacts", endpoint=there.url, region="eu-central-1", key=(KEY, "a guess"))
    with pytest.raises(StoreFault):
        await stranger.put("acme", id, pieces())
    with pytest.raises(StoreFault):
        await stranger.size("acme", id)
    with pytest.raises(StoreFault):
        await stranger.drop("acme", id)
    assert f"contacts/acme/{id.hex}" not in there.objects
