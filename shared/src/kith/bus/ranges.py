"""The range assignment: a group's members share each topic's partitions in runs, in the members' order."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

from kith.bus.port import TopicPartition

Member = TypeVar("Member", bound=Hashable)


def assign_ranges(
    members: Sequence[tuple[Member, Collection[str]]], partitions: Mapping[str, int]
) -> dict[Member, frozenset[TopicPartition]]:
    """Who gets what. `members` are in the group's order, each with its topics; `partitions` is topic -> count.

    Topics with the same count and the same subscribers are shared alike: one member gets the same numbers of each.
    A topic that does not exist yet has no partitions to give.
    """
    shares: dict[Member, set[TopicPartition]] = {member: set() for member, _ in members}
    for topic, count in partitions.items():
        sharing = [member for member, topics in members if topic in topics]
        if not sharing:
            continue
        size, larger = divmod(count, len(sharing))
        start = 0
        for position, member in enumerate(sharing):
            end = start + size + (position < larger)
            shares[member].update(TopicPartition(topic, number) for number in range(start, end))
            start = end
    return {member: frozenset(share) for member, share in shares.items()}
