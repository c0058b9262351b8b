"""Checks of what events pass through: the relay and its outbox, the bus, the consumers, dead letters; and of the
issuer."""

from collections.abc import Iterator, Sequence

import httpx

from kith.bus import open_bus
from kith.bus.generations import ends_of, is_begun, of_generation
from kith.bus.port import BusError, Producer
from kith.consumer.dead_letters import count_dead_letters
from kith.doctor.check import Check, Examined, Problem, fault, warning
from kith.doctor.database import rows
from kith.http.auth import fetch_keys
from kith.outbox.dead_letters import group_of
from kith.outbox.relay import topic_of

OUTBOX_SECONDS = 60
LAG_MESSAGES = 50_000


async def issuer(of: Examined) -> Sequence[Problem]:
    try:
        await fetch_keys(of.settings)
    except (httpx.HTTPError, KeyError, ValueError) as error:
        where = of.settings.jwks_url or of.settings.issuer_url
        return [
            fault(
                f"The issuer's keys cannot be fetched from {where} ({type(error).__name__}): requests are refused.",
                "Start the issuer, or name it by KITH_ISSUER_URL or KITH_JWKS_URL.",
            )
        ]
    return []


async def relay(of: Examined) -> Sequence[Problem]:
    (found,) = await rows(
        of,
        """
        SELECT extract(epoch FROM clock_timestamp() - min(recorded_at) FILTER (WHERE isfinite(recorded_at)))::bigint
                   AS seconds, count(*) AS events,
               EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                       AND (classid::bigint << 32) | objid::bigint = hashtextextended(:key, 0)) AS owned
        FROM (SELECT recorded_at FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT 100000) unpublished
        """,
        key=f"outbox/{of.name}",
    )
    if not found.owned:
        return [
            fault(
                f"No relay runs: {found.events or 'no'} events wait in the outbox, and none is published.",
                f"Start a worker: python -m {of.package} worker",
            )
        ]
    if (found.seconds or 0) > OUTBOX_SECONDS:
        return [
            fault(
                f"A relay runs, and the oldest of {found.events:,} unpublished events is {found.seconds} s old.",
                "The bus refuses them, or there are too many: look for `relay interrupted` in the worker's log.",
            )
        ]
    return []


async def bus(of: Examined) -> Sequence[Problem]:
    """Its topics, and how far the consumers have read in them."""
    problems: list[Problem] = []
    generation = of.settings.topic_generation
    try:
        async with (
            open_bus(of.settings.kafka_bootstrap, of.settings.bus_database, of.settings) as opened,
            opened.producer() as producer,
        ):
            for topic in sorted({topic_of(of.name), *(topic for topics in of.consumes.values() for topic in topics)}):
                name = of_generation(topic, generation)
                ends = await ends_of(producer, name)
                if ends is None:
                    problems.append(
                        warning(f"There is no topic {name}.", "The first worker of its service creates it.")
                    )
                else:
                    problems += _partitions(of, name, len(ends))
                    more = "Look whether its workers are ready (/readyz); if they are, run more of them."
                    problems += await _read(of, topic, name, ends, most=LAG_MESSAGES, remedy=more)
                problems += await _former(of, producer, topic)
    except (BusError, ValueError) as error:
        return [fault(f"The bus cannot be reached: {error}.", "Start it, or name it by KITH_KAFKA_BOOTSTRAP.")]
    return problems


async def _former(of: Examined, producer: Producer, topic: str) -> Sequence[Problem]:
    """What is left of former generations of a topic, where this one is published to."""
    problems: list[Problem] = []
    generation = of.settings.topic_generation
    if await is_begun(producer, topic, [generation + 1]):
        problems.append(
            fault(
                f"Events of {topic} are published in generation {generation + 1}, and KITH_TOPIC_GENERATION is "
                f"{generation}: workers with it publish nothing, and read nothing new.",
                f"Set KITH_TOPIC_GENERATION={generation + 1} for every service, with its KITH_TOPIC_PARTITIONS.",
            )
        )
    for former in range(1, generation):
        name = of_generation(topic, former)
        ends = await ends_of(producer, name)
        if ends is None:
            continue
        if not await is_begun(producer, topic, range(former + 1, generation + 1)):
            problems.append(
                warning(
                    f"Events of {topic} are not published in generation {generation} yet: nobody reads that before.",
                    "Restart the workers of its service with this KITH_TOPIC_GENERATION.",
                )
            )
        first = f"Its workers do, before they read generation {generation}: look whether they are ready (/readyz)."
        problems += await _read(of, topic, name, ends, most=0, remedy=first)
    return problems


def _partitions(of: Examined, topic: str, number: int) -> Iterator[Problem]:
    if number != of.settings.topic_partitions:
        yield fault(
            f"The topic {topic} has {number} partitions, and KITH_TOPIC_PARTITIONS is {of.settings.topic_partitions}: "
            "workers refuse it, as an aggregate's events would be in two of them.",
            f"Set KITH_TOPIC_PARTITIONS={number} for every service; or, for another number, KITH_TOPIC_GENERATION to "
            f"{of.settings.topic_generation + 1}, as “More partitions” in docs/operations.md has it.",
        )


async def _read(
    of: Examined, topic: str, name: str, ends: Sequence[int], *, most: int, remedy: str
) -> Sequence[Problem]:
    problems = []
    for group in [group for group, topics in of.consumes.items() if topic in topics]:
        offsets = await rows(of, _OFFSETS, group=group, topic=name)
        read = {row.partition: row.next_offset for row in offsets}
        if any(offset > (ends[number] if number < len(ends) else 0) for number, offset in read.items()):
            problems.append(
                fault(
                    f"The consumer {group} has read further in {name} than the topic goes: the database and the bus "
                    "do not belong together, as one of them was restored or replaced.",
                    "Read docs/recovery.md before you start a worker: “After a restore”, and “The bus was lost”.",
                )
            )
        behind = sum(max(0, end - read.get(number, 0)) for number, end in enumerate(ends))
        if behind > most:
            problems.append(warning(f"The consumer {group} has {behind:,} messages of {name} to read.", remedy))
    return problems


_OFFSETS = "SELECT partition, next_offset FROM consumer_offsets WHERE group_name = :group AND topic = :topic"


async def dead_letters(of: Examined) -> Sequence[Problem]:
    problems = []
    for group, count in (await count_dead_letters(of.connection)).items():
        if not any(count):
            continue
        verb = "published" if group == group_of(of.name) else "applied"
        found = f"{count.failed} events could not be {verb}, and {count.parked} wait behind them ({group})."
        remedy = f"python -m {of.package} dead-letters list"
        if count.failed > of.settings.dead_letter_limit:
            problems.append(
                fault(f"{found} That is more than KITH_DEAD_LETTER_LIMIT: the consumer stands still.", remedy)
            )
        else:
            problems.append(warning(found, remedy))
    return problems


CHECKS = (
    Check("issuer", issuer),
    Check("relay", relay),
    Check("bus", bus),
    Check("dead letters", dead_letters),
)
