"""`make freeze`: writes the scenario with the code of today, and keeps rows, statements and answers for later code."""

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import UNSAFE, scratch
from tests.upgrade.all_questions import questions_of
from tests.upgrade.dead_letters import make_dead_letters
from tests.upgrade.frozen_house import FOLDER, About, FrozenHouse
from tests.upgrade.house import BUS, SERVICES, House, new_database, serving_all, settle, workers_running
from tests.upgrade.questions import Answered, ask, write_answers
from tests.upgrade.scenario import Scenario
from tests.upgrade.statements import recorded

from kith.bus import open_bus
from kith.db import migrations
from kith.testing import Issuer
from kith_local.postgres import SETTINGS, EmbeddedPostgres

TENANTS = {"cedar": (56, "EUR"), "birch": (8, "USD")}
"""How many customers each has, and in which currency they buy."""
STRANGER = "alder"


async def freeze(postgres: EmbeddedPostgres, frozen: FrozenHouse) -> int:
    """Returns how many questions were put."""
    urls = {}
    for each in SERVICES:
        urls[each.name] = await new_database(postgres, each.package)
        await migrations.migrate(urls[each.name], each.package, each.after_migrations)
    urls[BUS] = await new_database(postgres, BUS)
    with recorded() as sent:
        async with serving_all(urls, Issuer()) as house:
            answers = await live(house)
    async with serving_all(urls, Issuer()) as house:
        await _prune(house)
        revisions = {
            each.name: (await house.rows(each.name, "SELECT version_num FROM alembic_version"))[0][0]
            for each in SERVICES
        }
        await frozen.write(urls, About(revisions, list(TENANTS)), sent)
    write_answers(frozen.answers, answers)
    return len(answers)


async def live(house: House) -> list[Answered]:
    scenarios = [
        Scenario(house, name, customers, random.Random(name), currency)
        for name, (customers, currency) in TENANTS.items()
    ]
    async with open_bus(None, house.urls[BUS]):
        pass  # which creates its tables
    for scenario in scenarios:
        await scenario.first()
    async with workers_running(house):
        known_at = await settle(house)
        for scenario in scenarios:
            await scenario.second()
            await make_dead_letters(house, scenario.name)
        await scenarios[0].jobs()
        await settle(house)
    for scenario in scenarios:
        await scenario.third()
    questions = []
    for scenario, every in zip(scenarios, (1, 11), strict=True):
        questions += (await questions_of(house, scenario, known_at, STRANGER))[::every]
    for each in questions:  # the first to ask may make the service fit a model
        await ask(house, each)
    return [await ask(house, each) for each in questions]


async def _prune(house: House) -> None:
    """Deletes what retention deletes in a house of some weeks."""
    for each in SERVICES:
        await house.rows(each.name, "DELETE FROM outbox WHERE published_at IS NOT NULL")
    await house.rows("analytics", "DELETE FROM arrivals")
    # Of the days whose totals are kept each has a long row: a month of them will do.
    outside, of_hour = "NOT BETWEEN '2026-02-01' AND '2026-02-28'", "(hour AT TIME ZONE 'UTC')::date"
    await house.rows("analytics", f"DELETE FROM settled_days WHERE day {outside}")  # noqa: S608 - written here
    await house.rows("analytics", f"DELETE FROM totals WHERE {of_hour} {outside}")  # noqa: S608 - written here
    await _prune_bus(house)


async def _prune_bus(house: House) -> None:
    """Deletes the messages that every group has read, and the members of the groups."""
    for table in ("claims", "members"):
        await house.rows(BUS, f"DELETE FROM bus.{table}")  # noqa: S608 - named here
    reached: dict[tuple[str, int], int] = {}
    for each in SERVICES:
        for topic, partition, offset in await house.rows(
            each.name, "SELECT topic, partition, next_offset FROM consumer_offsets"
        ):
            reached[topic, partition] = min(offset, reached.get((topic, partition), offset))
    for (topic, partition), offset in reached.items():
        await house.rows(
            BUS,
            "DELETE FROM bus.batches b USING bus.topics t WHERE t.id = topic_id "
            "AND t.name = $1 AND b.partition = $2 AND b.last_offset < $3",
            topic,
            partition,
            offset,
        )


def main(version: str) -> None:
    started, frozen = time.monotonic(), FrozenHouse(FOLDER / version)
    with tempfile.TemporaryDirectory(prefix="kith-freeze-", dir=scratch(), ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", SETTINGS | UNSAFE).start()
        try:
            questions = asyncio.run(freeze(server, frozen))
        finally:
            server.stop()
    size = sum(each.stat().st_size for each in frozen.folder.iterdir())
    print(f"{frozen.folder}: {questions:,} questions, {size:,} bytes, in {time.monotonic() - started:.0f} s.")  # noqa: T201


main(sys.argv[1])
