"""All of Kith as `make start` has it, but that workers can be held still: so that each step is measured by itself."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import psutil
from tests.bench.measure import free_ports

from kith_local.child import _dies_with_parent
from kith_local.layout import ROOT, BusKind, Layout
from kith_local.plan import Part
from kith_local.ports import OFFSETS, ports_of
from kith_local.tokens import fetch_token
from kith_local.topology import plan_for

PATIENCE = 90.0
TENANT = "bench"
_BUSY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = $1 AND (state <> 'idle' OR wait_event_type = 'Lock')
"""


@dataclass
class House:
    environment: Mapping[str, str]
    http: httpx.AsyncClient
    processes: dict[str, psutil.Process] = field(default_factory=dict)
    token: str = ""
    kafka_logs: Path | None = None

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{ports_of(self.environment)[service].number}"

    def database(self, service: str) -> str:
        return self.environment[f"KITH_DATABASE_URL_{service.upper()}"]

    async def connect(self, service: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.database(service))

    async def hold(self, *workers: str) -> None:
        """Stops the processes where they are, between two transactions: nothing of theirs ends or waits for them."""
        for worker in workers:
            service = worker.removesuffix("-worker")
            connection = await self.connect(service.replace("-", "_"))
            try:
                while True:
                    self._signal(worker, signal.SIGSTOP)
                    if not await connection.fetchval(_BUSY, f"kith {service} worker"):
                        break
                    self._signal(worker, signal.SIGCONT)
                    await asyncio.sleep(0.01)
            finally:
                await connection.close()

    def release(self, *workers: str) -> None:
        for worker in workers:
            self._signal(worker, signal.SIGCONT)

    def _signal(self, worker: str, number: signal.Signals) -> None:
        for each in [self.processes[worker], *self.processes[worker].children(recursive=True)]:
            each.send_signal(number)


@asynccontextmanager
async def standing(folder: Path, bus: BusKind) -> AsyncIterator[House]:
    names = list(OFFSETS)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    base = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
    base |= {f"KITH_PORT_{name.upper()}": str(port) for name, port in ports.items()}
    base |= {"KITH_HOME": str(folder), "BUS": bus, "DEMO": "no", "KITH_LOG_LEVEL": "WARNING"}
    base["KITH_GATEWAY_PROCESSES"] = "1"  # as in a pod
    layout = Layout(folder, bus)
    layout.downloads.mkdir(parents=True)
    (layout.downloads / "kafka").symlink_to(ROOT / ".kith/kafka")
    layout.logs.mkdir()
    plan = plan_for(layout, base)
    async with AsyncExitStack() as stack:
        environment = {**base, **plan.environment}
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=120, trust_env=False))
        house = House(environment, http)
        for server in plan.infrastructure:
            environment |= await asyncio.to_thread(server.start, print)
            stack.push_async_callback(asyncio.to_thread, server.stop)
            assert server.pid is not None
            house.processes["broker" if server.name == "kafka" else server.name] = psutil.Process(server.pid)
        for part in (*plan.early, *plan.before, *plan.parts):
            await _start(part, house, layout, stack)
        await asyncio.gather(*(_until_ready(part, http) for part in (*plan.early, *plan.parts)))
        os.environ["KITH_ISSUER_URL"] = environment["KITH_ISSUER_URL"]
        house.token = fetch_token(layout, tenant=TENANT)
        house.kafka_logs = layout.data / "kafka/data" if bus == "kafka" else None
        yield house


async def _start(part: Part, house: House, layout: Layout, stack: AsyncExitStack) -> None:
    log = stack.enter_context(layout.log_of(part.name).open("wb"))
    process = await asyncio.create_subprocess_exec(
        *part.command,
        cwd=part.folder,
        env={**house.environment, **part.environment},
        stdout=log,
        stderr=log,
        preexec_fn=_dies_with_parent(),  # it only calls the kernel
    )
    if not part.ready:
        assert await process.wait() == 0, layout.log_of(part.name).read_text()
        return
    house.processes[part.name] = psutil.Process(process.pid)
    stack.push_async_callback(_end, house, part.name, process)


async def _end(house: House, name: str, process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        house.release(name)
        process.terminate()
        await process.wait()


async def _until_ready(part: Part, http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                if (await http.get(part.ready)).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
