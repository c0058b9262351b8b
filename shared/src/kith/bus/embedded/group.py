"""Who is in a consumer group, and who reads which partition.

What a member should read follows from the list of members (kith.bus.ranges); what it does read is written as claims.
A claim goes in two steps: its owner lets it go when it has finished (or its session ends, and it goes with it), then
the next one takes it. Both happen under the lock of the group's row.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import uuid4

from kith.bus.embedded.database import Connection, Database
from kith.bus.embedded.log import Log
from kith.bus.port import TopicPartition
from kith.bus.ranges import assign_ranges


class Standing(NamedTuple):
    """What a member holds after it has synced."""

    kept: frozenset[TopicPartition]
    """Held before, and all the time since."""
    taken: frozenset[TopicPartition]
    """Claimed just now; perhaps after having been lost."""
    excess: frozenset[TopicPartition]
    """Of the partitions kept, the ones to let go."""
    awaited: frozenset[TopicPartition]
    """Still held by others who are to let them go."""
    missing: bool
    """Whether one of the topics does not exist yet."""
    changed: bool
    """Whether this asking changed who is in the group."""


class Membership:
    """One member of a group. Raises BusError."""

    def __init__(self, database: Database, log: Log, *, group: str, topics: Sequence[str], session: float) -> None:
        self.group = group
        self.generation = -1
        self._database = database
        self._log = log
        self._topics = list(dict.fromkeys(topics))
        self._session = timedelta(seconds=session)
        self._id = uuid4()
        self._existing = 0
        """How many of the topics existed when it last synced."""

    async def sync(self) -> Standing:
        """Be a member, and take what is due and free. Members that have been silent for too long are put out."""
        topics = await self._log.topics(self._topics)
        self._existing = len(topics)
        names = {topic.id: topic.name for topic in topics.values()}
        async with self._database.transaction() as connection:
            generation = await self._lock(connection)
            changed = await self._expire(connection) | await self._join(connection)
            members = await connection.fetch(
                "select id, topics from bus.members where group_name = $1 order by joined", self.group
            )
            claims = await connection.fetch(
                "select topic_id, partition, member_id from bus.claims where group_name = $1 and topic_id = any($2)",
                self.group,
                [*names],
            )
            due = assign_ranges(
                [(member, subscribed) for member, subscribed in members],
                {topic.name: topic.partitions for topic in topics.values()},
            )[self._id]
            owners = {TopicPartition(names[topic_id], number): owner for topic_id, number, owner in claims}
            free = frozenset(partition for partition in due if partition not in owners)
            await self._claim(connection, free)
            self.generation = await self._moved(connection) if changed else generation
        kept = frozenset(partition for partition, owner in owners.items() if owner == self._id)
        return Standing(
            kept=kept,
            taken=free,
            excess=kept - due,
            awaited=due - kept - free,
            missing=len(topics) < len(self._topics),
            changed=changed,
        )

    async def beat(self) -> bool:
        """Sends a heartbeat. Returns whether to sync: something has changed, or a member has fallen silent."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                """
                with beat as (update bus.members set seen_at = now() where id = $1 returning id)
                select exists (select from beat) as member,
                    exists (select from bus.members where group_name = $2 and seen_at + session < now()) as silent,
                    (select generation from bus.groups where name = $2) as generation
                """,
                self._id,
                self.group,
            )
        assert row is not None
        if self._existing < len(self._topics) and len(await self._log.topics(self._topics)) > self._existing:
            return True
        return not row["member"] or row["silent"] or row["generation"] != self.generation

    async def release(self, partitions: Collection[TopicPartition]) -> None:
        topics = await self._log.topics(self._topics)
        async with self._database.transaction() as connection:
            before = await self._lock(connection)
            await connection.execute(
                """
                delete from bus.claims c using unnest($2::int[], $3::int[]) as w (topic_id, number)
                where c.member_id = $1 and c.topic_id = w.topic_id and c.partition = w.number
                """,
                self._id,
                [topics[partition.topic].id for partition in partitions],
                [partition.partition for partition in partitions],
            )
            moved = await self._moved(connection)
            if before == self.generation:  # else something has changed since it synced, which it has yet to see
                self.generation = moved

    async def leave(self) -> None:
        async with self._database.transaction() as connection:
            await self._lock(connection)
            await connection.execute("delete from bus.members where id = $1", self._id)
            await self._moved(connection)

    async def _lock(self, connection: Connection) -> int:
        await connection.execute("insert into bus.groups (name) values ($1) on conflict do nothing", self.group)
        generation: int = await connection.fetchval(
            "select generation from bus.groups where name = $1 for update", self.group
        )
        return generation

    async def _expire(self, connection: Connection) -> bool:
        gone = await connection.fetch(
            "delete from bus.members where group_name = $1 and seen_at + session < clock_timestamp() returning id",
            self.group,
        )
        return bool(gone)

    async def _join(self, connection: Connection) -> bool:
        joined: bool = await connection.fetchval(
            """
            insert into bus.members (id, group_name, topics, session, seen_at)
            values ($1, $2, $3, $4, clock_timestamp())
            on conflict (id) do update set seen_at = excluded.seen_at
            returning xmax = 0
            """,
            self._id,
            self.group,
            self._topics,
            self._session,
        )
        return joined

    async def _claim(self, connection: Connection, partitions: Collection[TopicPartition]) -> None:
        topics = await self._log.topics(self._topics)
        if partitions:
            await connection.execute(
                """
                insert into bus.claims (group_name, topic_id, partition, member_id)
                select $1, w.topic_id, w.number, $2 from unnest($3::int[], $4::int[]) as w (topic_id, number)
                """,
                self.group,
                self._id,
                [topics[partition.topic].id for partition in partitions],
                [partition.partition for partition in partitions],
            )

    async def _moved(self, connection: Connection) -> int:
        generation: int = await connection.fetchval(
            "update bus.groups set generation = generation + 1 where name = $1 returning generation", self.group
        )
        return generation
