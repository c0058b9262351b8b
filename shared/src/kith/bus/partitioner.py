"""Key to partition, as Kafka's own clients do it: every producer of a topic must agree, in whatever language."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=1 << 16)  # murmur2 in Python takes longer than the rest of publishing, and customers come back
def partition_of(key: bytes, partitions: int) -> int:
    """The partition, 0 up to `partitions` - 1, that a key's messages take."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions
