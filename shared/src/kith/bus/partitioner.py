"""Key to partition, as Kafka's own clients do it: every producer of a topic must agree, in whatever language."""

from functools import lru_cache
from struct import Struct

from aiokafka.partitioner import murmur2

_words = Struct("<4I").unpack


@lru_cache(maxsize=1 << 16)  # murmur2 in Python takes longer than the rest of publishing, and customers come back
def partition_of(key: bytes, partitions: int) -> int:
    """The partition, 0 up to `partitions` - 1, that a key's messages take."""
    hashed: int = _murmur2_of_uuid(key) if len(key) == 16 else murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions


def _murmur2_of_uuid(key: bytes) -> int:
    """The same for 16 bytes, as the keys of events have, in half the time."""
    hashed = 0x9747B28C ^ 16
    for word in _words(key):
        mixed = word * 0x5BD1E995 & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        hashed = hashed * 0x5BD1E995 & 0xFFFFFFFF ^ mixed
    hashed = (hashed ^ hashed >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return hashed ^ hashed >> 15
