"""All of Kith as processes, as `make start` has them, on free ports and in a folder of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
from tests.conftest import KAFKA_JARS, free_ports

from kith_local.child import _dies_with_parent
from kith_local.layout import ROOT, BusKind, Layout
from kith_local.ports import OFFSETS, ports_of
from kith_local.state import PartPhase, PartState, Phase, State, StateFile, clear_leftovers
from kith_local.tokens import fetch_token
from kith_local.view import end_of

PATIENCE = 60.0
"""Seconds until a test gives up waiting; never a measure of how long something takes."""
START_PATIENCE, STOP_PATIENCE = 150.0, 60.0
SERVICES = ("contacts", "sales", "service-desk", "analytics")


@dataclass(frozen=True)
class House:
    layout: Layout
    environment: Mapping[str, str]
    http: httpx.Client

    @classmethod
    @contextmanager
    def standing(cls, home: Path, logs: Path, bus: BusKind, **settings: str) -> Iterator["House"]:
        """Up while the block lasts; gone afterwards, however it ends. Its logs stay."""
        layout, environment = Layout(home, bus), _environment(home, bus) | settings
        layout.downloads.mkdir(parents=True)
        (layout.downloads / "kafka").symlink_to(KAFKA_JARS)  # fetched once for all tests
        layout.logs.symlink_to(logs)
        with (
            layout.log_of("supervisor").open("wb") as log,
            python("kith_local", "supervise", environment=environment, output=log.fileno()) as supervisor,
            httpx.Client(timeout=30, trust_env=False) as http,
        ):
            house = cls(layout, environment, http)
            try:
                house._await_start(supervisor)
                yield house
            finally:
                house._stop(supervisor)

    def _await_start(self, supervisor: "subprocess.Popen[str]") -> None:
        def up() -> bool:
            state = self._file.read()
            if state is not None and state.failure is not None:
                log = Path(state.failure.log) if state.failure.log else self.layout.log_of("supervisor")
                raise AssertionError("\n".join([state.failure.message, *end_of(log)]))
            assert supervisor.poll() is None, end_of(self.layout.log_of("supervisor"))
            return state is not None and state.phase is Phase.READY

        until(up, within=START_PATIENCE)

    def _stop(self, supervisor: "subprocess.Popen[str]") -> None:
        supervisor.terminate()
        try:
            supervisor.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
        if (state := self._file.read()) is not None:
            assert not clear_leftovers(state), "something outlived its supervisor"

    @property
    def _file(self) -> StateFile:
        return StateFile(self.layout.run)

    @property
    def state(self) -> State:
        state = self._file.read()
        assert state is not None
        return state

    def part(self, name: str) -> PartState:
        return next(part for part in self.state.parts if part.name == name)

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{ports_of(self.environment)[service.replace('-', '_')].number}"

    def tenant(self, name: str) -> "Tenant":
        return Tenant(self, name, fetch_token(self.layout, tenant=name))

    def kill(self, *names: str) -> None:
        """kill -9, all at once."""
        for name in names:
            process = self.part(name).process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)

    def is_up(self, name: str, *, restarts: int) -> bool:
        part = self.part(name)
        return part.restarts >= restarts and part.phase is PartPhase.READY

    def database_url(self, name: str) -> str:
        """Of the house's own PostgreSQL, as its owner."""
        socket = (self.layout.data / "postgres" / "postmaster.pid").read_text().splitlines()[4]
        return f"postgresql://postgres@/kith_{name.replace('-', '_')}?host={quote(socket, safe='/')}"

    def rows(self, service: str, query: str, *arguments: object) -> list[Any]:
        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.database_url(service))
            try:
                return list(await connection.fetch(query, *arguments))
            finally:
                await connection.close()

        return asyncio.run(fetch())

    @property
    def bus(self) -> tuple[str | None, str | None]:
        """Kafka's address, or the embedded bus's database: what `kith.bus.open_bus` takes."""
        if self.layout.bus == "kafka":
            return f"127.0.0.1:{ports_of(self.environment)['kafka'].number}", None
        return None, self.database_url("bus")

    @property
    def worker_environment(self) -> dict[str, str]:
        """The environment that the supervisor gives a worker, for one that a test starts besides."""
        kafka, embedded = self.bus
        bus = {"KITH_KAFKA_BOOTSTRAP": kafka} if kafka else {"KITH_DATABASE_URL_BUS": embedded or ""}
        databases = {
            f"KITH_DATABASE_URL_{each.upper().replace('-', '_')}": self.database_url(each) for each in SERVICES
        }
        return {**self.environment, **databases, **bus}


@dataclass
class Tenant:
    """Speaks to the house as one tenant, with all scopes, and remembers what it wrote last."""

    house: House
    name: str
    token: str
    positions: dict[str, datetime] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, service: str, path: str, body: object, **headers: str) -> Any:
        answer = self.house.http.post(f"{self.house.url(service)}{path}", json=body, headers=self.headers | headers)
        assert answer.is_success, answer.text
        source, _, instant = answer.headers["Kith-Position"].partition("@")
        self.wrote(source, datetime.fromisoformat(instant))
        return answer.json()

    def get(self, service: str, path: str, **query: str) -> Any:
        answer = self.house.http.get(f"{self.house.url(service)}{path}", params=query, headers=self.headers)
        assert answer.is_success, answer.text
        return answer.json()

    def ask(self, query: str, *, headers: Mapping[str, str] | None = None, **variables: object) -> Any:
        """The data of a request to the gateway, which must have no errors."""
        answer = self.house.http.post(
            f"{self.house.url('gateway')}/graphql",
            json={"query": query, "variables": variables},
            headers=self.headers | dict(headers or {}),
        ).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def wrote(self, source: str, at: datetime) -> None:
        self.positions[source] = max(at, self.positions.get(source, at))

    def until_counted(self) -> None:
        """Until analytics says that it has counted everything up to the last write here."""

        def counted() -> bool:
            found = {each["source"]: each["countedUpTo"] for each in self.ask(FRESHNESS)["freshness"]}
            return all(
                found[source] is not None and datetime.fromisoformat(found[source]) >= position
                for source, position in self.positions.items()
            )

        until(counted)

    def ledger(self) -> dict[str, int]:
        """How many events analytics has of each type of the other services: its own follow from them in their time."""
        by_type: dict[str, int] = self.get("analytics", "/v1/ledger")["by_type"]
        return {type: count for type, count in by_type.items() if not type.startswith("analytics.")}


FRESHNESS = "{ freshness { source countedUpTo } }"


def until(true: Callable[[], bool], *, within: float = PATIENCE, every: float = 0.05) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every)


def run_replay(house: House, *, tenant: str, folder: Path) -> "subprocess.Popen[str]":
    what = ("replay", "--set", "retail", "--data", str(folder), "--tenant", tenant)
    return python("kith_local", *what, environment=house.environment, output=subprocess.PIPE)


def python(module: str, *arguments: str, environment: Mapping[str, str], output: int) -> "subprocess.Popen[str]":
    """A process that runs a module, and does not outlive the tests even if they are killed."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_dies_with_parent(),  # noqa: PLW1509 - it only calls the kernel
    )


def _environment(home: Path, bus: BusKind) -> dict[str, str]:
    """Nothing of Kith's is left in it but what is said here."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
    names: Sequence[str] = list(OFFSETS)
    ports = {f"KITH_PORT_{name.upper()}": str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}
    return mine | ports | {"KITH_HOME": str(home), "BUS": bus, "DEMO": "no"}
