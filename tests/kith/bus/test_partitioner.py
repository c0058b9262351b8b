"""Keys take the partitions that Kafka's own clients choose."""

from random import Random

import pytest
from aiokafka.partitioner import murmur2

from kith.bus.partitioner import partition_of

# From UtilsTest.testMurmur2 of Apache Kafka.
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("partitions", [1, 7, 24])
def test_the_partition_is_that_of_javas_client(partitions: int) -> None:
    for key, hashed in KNOWN.items():
        assert partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions


def test_keys_of_16_bytes_take_the_way_of_all_others() -> None:
    chance = Random(1)
    for key in (bytes(16), b"\xff" * 16, *(chance.randbytes(16) for _ in range(200))):
        assert partition_of(key, 24) == (murmur2(key) & 0x7FFFFFFF) % 24
