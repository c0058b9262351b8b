"""Sharing partitions by ranges."""

from hypothesis import given
from hypothesis import strategies as some

from kith.bus.port import TopicPartition
from kith.bus.ranges import assign_ranges


def test_earlier_members_get_the_odd_ones() -> None:
    shares = assign_ranges([("a", ["t"]), ("b", ["t"])], {"t": 3})
    assert shares["a"] == {TopicPartition("t", 0), TopicPartition("t", 1)}
    assert shares["b"] == {TopicPartition("t", 2)}


def test_more_members_than_partitions_leave_some_idle() -> None:
    shares = assign_ranges([(member, ["t"]) for member in "abc"], {"t": 2})
    assert [len(share) for share in shares.values()] == [1, 1, 0]


def test_a_topic_goes_to_its_subscribers_only() -> None:
    shares = assign_ranges([("a", ["t"]), ("b", ["u"])], {"t": 2, "u": 2, "nobodys": 2})
    assert {partition.topic for partition in shares["a"]} == {"t"}
    assert {partition.topic for partition in shares["b"]} == {"u"}


@given(members=some.integers(1, 9), partitions=some.integers(1, 30))
def test_every_partition_has_one_owner_and_topics_are_shared_alike(members: int, partitions: int) -> None:
    topics = ["t", "u"]
    shares = assign_ranges([(member, topics) for member in range(members)], dict.fromkeys(topics, partitions))
    owned = sorted(partition for share in shares.values() for partition in share)
    assert owned == sorted(TopicPartition(topic, number) for topic in topics for number in range(partitions))
    for share in shares.values():
        numbers = {topic: {tp.partition for tp in share if tp.topic == topic} for topic in topics}
        assert numbers["t"] == numbers["u"]
        assert partitions // members <= len(numbers["t"]) <= -(-partitions // members)
