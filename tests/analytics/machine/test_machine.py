"""What is kept live is what a batch recomputation of the events comes to, whatever the bus and the processes do.

`make machine RUNS=10000` does it for long; `make test` for a quarter of a minute, each time with other draws. A failure
prints its steps; KITH_MACHINE_SHRINK=1 with the seed that is printed makes them few, and takes minutes.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.machine.batch import Batch, Query, Rule
from tests.analytics.machine.bus import GROUP, PARTITIONS, SOURCES, Crash, Process, SimulatedBus, Turns
from tests.analytics.machine.services import BEGIN, THING, Services, things_in

from analytics.calendar import Interval
from analytics.metrics.catalogue import METRICS
from analytics.metrics.filtering import FilterBy
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.projections.activity import DEFAULT_POLICY, PURCHASES, ActivityPolicy, ActivityRule
from analytics.projections.copying import recompute
from analytics.projections.past import Past
from analytics.projections.projection import declared, rebuilt
from analytics.projections.shadow import prints
from kith.bus.port import Incoming, TopicPartition
from kith.consumer.offsets import read_offsets
from kith.consumer.run import _Member
from kith.db.sessions import Driver, create_engine, driver_of
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.reach import EVERYONE
from kith_local.postgres import EmbeddedPostgres

OFTEN = ActivityRule.of(
    ["sales.order.placed.v1", "contacts.touchpoint.recorded.v1", "service-desk.case.resolved.v1"], 30
)
POLICIES = (DEFAULT_POLICY, ActivityPolicy(1, PURCHASES, {"gold": OFTEN}), ActivityPolicy(2, OFTEN))
RULES = {each.id: Rule(each.event_types, each.window.days) for each in (PURCHASES, OFTEN)}
FACT_COLUMNS = (
    "event_id, type, subject, version, time, until, customer_id, origin_id, amount, currency, phase, phase_since, "
    "clock_since, state"
)

PLACES = len(SOURCES) * PARTITIONS
"""Partitions of topics."""
_all_wanted = some.binary(min_size=3 * PLACES, max_size=3 * PLACES)
"""How many messages of each are polled, by each process."""
_shares = some.permutations(range(PARTITIONS)) | some.lists(some.integers(0, 2), min_size=3, max_size=3)
"""Per number of a partition, who has it: of all topics, as they are shared by range."""
_order = some.binary(max_size=30)
"""Who is next."""
JOB = 2 + PLACES
"""Who, how it ends, and what is queried."""
TELL = 250
"""So many runs, and what was done in them is printed."""
FATES = ("commits", "commits", "commits", "dies before", "never learns")
_troubles = some.sampled_from(("publish again", "publish again", "fail", "mend"))
_days = some.sampled_from((1, 30, 90, 365))
_policies = some.sampled_from(POLICIES)
_zones = some.sampled_from(("UTC", "America/New_York"))
_only = some.sampled_from((None, None, "gold", ""))
_questions = some.tuples(some.integers(0, 60), _days, _policies, _zones, _only)


Work = tuple[Process, list[Incoming]]


class LiveIsBatch(RuleBasedStateMachine):
    """One tenant, three processes, three partitions of three topics."""

    runner: ClassVar[asyncio.Runner]
    engine: ClassVar[AsyncEngine]
    did: ClassVar[Counter[str]]

    @initialize(question=some.none() | some.none() | _questions)
    def begin(self, question: tuple[int, int, ActivityPolicy, str, str | None] | None) -> None:
        self.did["runs"] += 1
        if self.did["runs"] % TELL == 0:
            tell(self.did)
        self.last_question, self.queried = question, False
        run = new_id().hex
        self.services = Services(f"t-{run}")
        self.bus = SimulatedBus(self.engine, run)
        self.processes: list[Process] = []
        self.zombies: list[Work] = []
        self.withheld: list[Any] = []
        self.run(self._begin())
        self._rebalance([0, 1, 2])

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def _begin(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text("DELETE FROM dead_letters WHERE group_name = :group"), {"group": GROUP})
            await connection.execute(
                text(
                    "INSERT INTO activity_rules (tenant_id, rule, event_types, window_days, added_at, ready_at)"
                    " VALUES (:tenant, :rule, :types, :days, now(), now())"
                ),
                {
                    "tenant": self.services.tenant,
                    "rule": OFTEN.id,
                    "types": sorted(OFTEN.event_types),
                    "days": OFTEN.window.days,
                },
            )

    # What happens

    @rule(drawn=some.binary(min_size=6 * THING, max_size=16 * THING), late=some.integers(0, 30))
    def happen(self, drawn: bytes, late: int) -> None:
        """At times an event comes to the bus when later ones of its aggregate are there."""
        envelopes = [envelope for thing in things_in(drawn) for envelope in self.services.publish(thing)]
        for place, envelope in enumerate(envelopes):
            if place == late:
                self.withheld.append(envelope)
            else:
                self.bus.append(envelope)

    @precondition(lambda self: self.withheld)
    @rule()
    def come_late(self) -> None:
        self.did["came late"] += 1
        self.bus.append(self.withheld.pop())

    @precondition(lambda self: self.services.published)
    @rule(
        what=some.sampled_from(("publish again", "publish again", "fail", "mend")),
        which=some.integers(0, 20),
        count=some.integers(1, 12),
    )
    def trouble(self, what: str, which: int, count: int) -> None:
        """A producer in doubt; an aggregate whose events cannot be handled from now on; and then they can."""
        if what == "publish again":
            self.bus.append_again(self.bus.partitions[which % PLACES], count)
        elif what == "mend":
            self.did["replayed"] += len(self.bus.dead_letters)
            self.run(self.bus.replay())
        elif courses := [*self.services.cases, *self.services.opportunities, *self.services.customers.values()]:
            self.bus.poisoned.add(courses[which % len(courses)].subject)

    # What processes do

    @rule(drawn=some.binary(min_size=3 * JOB, max_size=6 * JOB))
    def work(self, drawn: bytes) -> None:
        for start in range(0, len(drawn) - JOB + 1, JOB):
            which, fate, *wanted = drawn[start : start + JOB]
            process = self.processes[which % 3]
            if messages := self._polled(process, wanted):
                self._work(process, messages, FATES[fate % len(FATES)])

    def _work(self, process: Process, messages: list[Incoming], fate: str) -> None:
        self.did[fate] += 1
        if fate == "dies before":
            process.crashes = True
            try:
                self._apply(process, messages)  # where all of it is put aside, it gets no further than that
            except Crash:
                self._restart(process)
            process.crashes = False
            return
        known = dict(process.member.reached)
        self._apply(process, messages)
        if fate == "never learns" and process in self.processes:
            process.member.reached = known
            self._apply(process, messages)

    @rule(all_wanted=_all_wanted, order=_order)
    def work_side_by_side(self, all_wanted: bytes, order: bytes) -> None:
        self._side_by_side(self._all_polled(all_wanted), order)

    @rule(shares=_shares, in_hand=_all_wanted, ends=some.booleans())
    def rebalance(self, shares: list[int], in_hand: bytes, ends: bool) -> None:
        """Each partition goes to somebody; who had it may still have a batch of it in hand."""
        zombies = self._all_polled(in_hand)
        self._rebalance(shares)
        self.zombies = [] if ends else [*self.zombies, *zombies]

    @precondition(lambda self: self.zombies)
    @rule(alone=some.booleans(), all_wanted=_all_wanted, order=_order)
    def replaced_process_goes_on(self, alone: bool, all_wanted: bytes, order: bytes) -> None:
        """Alone, or while the new ones work."""
        self.did["zombie"] += 1
        if alone:
            self._apply(*self.zombies.pop())
        else:
            self._side_by_side([self.zombies.pop(), *self._all_polled(all_wanted)], order)

    # What must hold

    @rule()
    def compare(self) -> None:
        self.run(self._compare(Batch(self.bus.delivered)))

    @precondition(lambda self: self.bus.delivered and not self.queried)
    @rule(start=some.integers(0, 60), days=_days, policy=_policies, zone=_zones, only=_only)
    def ask(self, start: int, days: int, policy: ActivityPolicy, zone: str, only: str | None) -> None:
        """In the middle of it all; once, for it takes as long as the rest."""
        self.queried = True
        self._asked(start, days, policy, zone, only)

    def _asked(self, start: int, days: int, policy: ActivityPolicy, zone: str, only: str | None) -> None:
        begin = BEGIN + timedelta(days=5 * start)
        query = Query(
            begin,
            begin + timedelta(days=days),
            zone,
            RULES[policy.default.id],
            {segment: RULES[each.id] for segment, each in policy.segments.items()},
            only,
        )
        self.did["queried"] += 1
        self.run(self._ask(Batch(self.bus.delivered), query, policy))

    def settle(self) -> None:
        """All that was published arrives."""
        for envelope in self.withheld:
            self.bus.append(envelope)
        self.withheld = []
        self.zombies = []
        self.run(self.bus.replay())
        for _ in range(2):  # who was replaced meanwhile learns of it by the first, and joins again
            for process in list(self.processes):
                wanted = [(partition, sys.maxsize) for partition in process.partitions]
                if messages := process.poll(wanted):
                    self._apply(process, messages)
        assert self.bus.committed == {each: len(log) for each, log in self.bus.logs.items() if log}
        self.compare()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None and hasattr(self, "bus"):
            self.settle()
            if self.last_question is not None:  # asking takes as long as all the rest
                self._asked(*self.last_question)

    # How

    def _polled(self, process: Process, wanted: Iterable[int]) -> list[Incoming]:
        counts = zip(self.bus.partitions, wanted, strict=True)
        return process.poll((place, count % 13) for place, count in counts if place in process.partitions)

    def _rebalance(self, shares: Sequence[int]) -> None:
        held: list[set[TopicPartition]] = [set(), set(), set()]
        for partition in self.bus.partitions:
            held[shares[partition.partition]].add(partition)
        self.processes = [self.run(Process.join(self.bus, frozenset(each))) for each in held]

    def _restart(self, process: Process) -> None:
        """It joins again, and reads where the database says."""
        if process in self.processes:
            place = self.processes.index(process)
            self.processes[place] = self.run(Process.join(self.bus, process.partitions))

    def _apply(self, process: Process, messages: list[Incoming]) -> None:
        may = self.bus.may_commit(process, messages)
        done = self.run(process.apply(messages))
        assert done is may, "a replaced process got through" if done else "its own process was refused"
        if done:
            self.bus.note(messages)
        else:
            self.did["refused"] += 1
            self._restart(process)

    def _all_polled(self, wanted: bytes) -> list[Work]:
        polled = [
            (process, self._polled(process, wanted[PLACES * place : PLACES * (place + 1)]))
            for place, process in enumerate(self.processes)
        ]
        return [(process, messages) for process, messages in polled if messages]

    def _side_by_side(self, works: list[Work], order: bytes) -> None:
        """Of several that have the same partition in hand one gets through."""
        if not works:
            return
        may = [self.bus.may_commit(*work) for work in works]
        done = self.run(self._together(works, [byte % len(works) for byte in order]))
        self.did[f"{len(works)} side by side"] += 1
        taken: set[TopicPartition] = set()
        for (_, messages), through, might in zip(works, done, may, strict=True):
            if through:
                assert might, "a replaced process got through"
                assert not taken & _places(messages), "one partition, two processes"
                taken |= _places(messages)
        for (process, messages), through, might in zip(works, done, may, strict=True):
            if through:
                self.bus.note(messages)
            else:
                assert not might or taken & _places(messages), "its own process was refused"
                self._restart(process)

    async def _together(self, works: list[Work], order: list[int]) -> list[bool]:
        turns = Turns(order, range(len(works)))
        for me, (process, _) in enumerate(works):
            process.turns = (turns, me)
        try:
            return list(await asyncio.gather(*(process.apply(messages) for process, messages in works)))
        finally:
            for process, _ in works:
                process.turns = None

    async def _compare(self, batch: Batch) -> None:
        tenant = {"tenant": self.services.tenant}
        async with self.engine.connect() as connection:
            offsets = await read_offsets(connection, GROUP, self.bus.partitions)
            assert offsets == self.bus.committed
            dead_letters = await connection.scalar(
                text("SELECT count(*) FROM dead_letters WHERE tenant_id = :tenant AND replayed_at IS NULL"), tenant
            )
            assert dead_letters == sum(map(len, self.bus.dead_letters.values())), "what can be handled was put aside"
            ledger = await connection.scalars(text("SELECT id FROM ledger WHERE tenant_id = :tenant"), tenant)
            assert sorted(ledger) == sorted(event.id for event in batch.events)
            rows = await connection.execute(text("SELECT * FROM merged_customers WHERE tenant_id = :tenant"), tenant)
            assert {row.customer_id: row.survivor for row in rows} == batch.survivors
            rows = await connection.execute(
                text(f"SELECT {FACT_COLUMNS} FROM facts WHERE tenant_id = :tenant"),  # noqa: S608 - named above
                tenant,
            )
            live = {row.event_id: dict(row._mapping) for row in rows}
            expected = {fact["event_id"]: fact for fact in batch.facts}
            assert live.keys() == expected.keys()
            for id, fact in expected.items():
                if fact["subject"] in batch.whole:
                    assert live[id] == fact
                else:  # what is not there yet will change what holds, and nothing else
                    for name in ("subject", "version", "time", "until", "customer_id", "origin_id"):
                        assert live[id][name] == fact[name], name
            rows = await connection.execute(
                text("SELECT rule, customer_id, starts_at, ends_at FROM activity_spans WHERE tenant_id = :tenant"),
                tenant,
            )
            spans = sorted((id, *span) for id, each in RULES.items() for span in batch.spans(each))
            assert sorted(tuple(row) for row in rows) == spans
            await self._compare_declared(driver_of(connection))

    async def _compare_declared(self, driver: Driver) -> None:
        """Every read model that is declared, with what is recomputed of the ledger."""
        past = Past(driver, self.services.tenant)
        for model in rebuilt():
            await driver.execute(f"CREATE TEMPORARY TABLE {model.name} (LIKE public.{model.name}) ON COMMIT DROP")
        tables = {model.name for model in rebuilt()}
        made = [one for each in declared() for one in await each.recompute(past) if one.table in tables]
        async for _ in recompute(past, made, driver, "pg_temp"):
            pass
        live = await prints(driver, "public", past.tenant)
        assert await prints(driver, "pg_temp") == live

    async def _ask(self, batch: Batch, query: Query, policy: ActivityPolicy) -> None:
        if len(batch.whole) < len({event.subject for event in batch.events}):
            return
        expected = batch.components(query)
        question = Question(Interval(query.start, query.end), query.zone, policy, reach=EVERYONE)
        if query.only is not None:
            question = replace(question, filters=(FilterBy("segment", (query.only or None,)),))
        async with self.engine.connect() as connection:
            answers = await figures(connection, self.services.tenant, [METRICS[id] for id in expected], question)
        for answer in answers:
            live = {each.name: each.value for each in answer.components}
            for name, value in expected[answer.id].items():
                rounded = None if value is None else round(float(value), 4)
                assert live[name] == rounded, f"{answer.id}: {name}"


def _places(messages: Sequence[Incoming]) -> set[TopicPartition]:
    return {TopicPartition(message.topic, message.partition) for message in messages}


def tell(did: Counter[str]) -> None:
    print(*(f"{what} {times}" for what, times in did.items()), sep=", ", flush=True)  # noqa: T201 - `make machine` shows it


@pytest.mark.timeout(0)
def test_live_is_batch(worker: AsyncEngine, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """`worker` has migrated the database. The machine has an event loop, and connections, of its own."""
    monkeypatch.setattr(_Member, "_account", lambda *_: None)  # every letter would be logged
    runs = int(os.environ.get("KITH_MACHINE_RUNS", "25"))
    engine = create_engine(postgres.url("kith_analytics"), role=WORKER_ROLE, pool_size=5, application="machine")

    @listens_for(engine.sync_engine, "connect")
    def hurry(connection: Any, _record: Any) -> None:
        """Nobody pulls the plug here."""
        connection.run_async(lambda driver: driver.execute("SET synchronous_commit = off"))

    with asyncio.Runner() as runner:

        class Machine(LiveIsBatch):
            did: ClassVar[Counter[str]] = Counter()

        Machine.runner, Machine.engine = runner, engine
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=runs,
                    phases=[Phase.generate, *([Phase.shrink] if "KITH_MACHINE_SHRINK" in os.environ else [])],
                    stateful_step_count=20,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(engine.dispose())
            tell(Machine.did)
