"""Step by step, each in its time; the first that does not come ends it."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console

from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.replay.api import Api
from kith_local.replay.commands import Mapped
from kith_local.replay.files import locate, read
from kith_local.replay.folding import ledger_size, wait_until_folded
from kith_local.replay.report import shown_progress
from kith_local.replay.retail import INVOICES, map_retail
from kith_local.replay.sender import Progress, Sender
from kith_local.replay.session import service_urls
from kith_local.replay.shift import last_of, move
from kith_local.silence.choice import BAND, Sinking, part_of, sinking_next
from kith_local.silence.watch import Watch
from kith_local.tokens import fetch_token

T = TypeVar("T")
LEAD = timedelta(seconds=70)
"""Between all being counted and the instant."""
SLOWER = 1.3
"""By how much the whole may take longer, row by row, than the part did."""
IDLE, LEAST = 4.0, 30.0
"""Seconds: so many of what the part took were spent waiting, however few the rows; and the whole takes no less."""
WITHIN = 60.0
"""Seconds for each step after the instant; a change by silence is published within them, by its target."""
PLAYBOOK = {
    "title": "Sinking in silence",
    "document": {
        "when": {"kind": "band_changed", "to": [BAND]},
        "actions": [
            {"kind": "task", "title": "Ask how they are", "due_in_days": 2},
            {"kind": "case", "title": "Has gone silent", "priority": "high", "queue": "success"},
        ],
    },
}
CHAIN = Counter(
    {
        "analytics.health.changed.v1": 1,
        "analytics.action.requested.v1": 2,
        "sales.task.created.v1": 1,
        "service-desk.case.opened.v1": 1,
    }
)


def show(folder: Path | None, tenant: str) -> int:
    mapped = map_retail({INVOICES.name: read(INVOICES, locate((INVOICES,), folder, {})[INVOICES.name])})
    with shown_progress() as (console, progress):
        try:
            asyncio.run(_show(mapped, tenant, console, progress))
        except KeyboardInterrupt:
            raise LocalError("Stopped. For the next time choose another TENANT.") from None
    return 0


async def _show(mapped: Mapped, tenant: str, console: Console, progress: Progress) -> None:
    layout = Layout.of()
    urls = service_urls(layout)
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        apis = [Api(http, urls, fetch_token(layout, tenant=name)) for name in (f"{tenant}-part", tenant)]
        for api in apis:
            if await ledger_size(api):
                raise LocalError(f"There are data of tenant {tenant} already: make silence TENANT=another")
        part, whole = (_Step(api, console, progress) for api in apis)
        sinking, seconds = await part.find(mapped)
        at = datetime.now(UTC) + timedelta(seconds=SLOWER * seconds) + LEAD
        customer = await whole.prepare(mapped, sinking, at)
        token = fetch_token(layout, tenant=tenant)
        async with Watch.begun(layout, urls["gateway"], token) as watch:
            await whole.follow(watch, customer, at)


@dataclass
class _Step:
    """Uses Kith's APIs as one tenant, and prints what it sees."""

    api: Api
    console: Console
    progress: Progress

    async def find(self, mapped: Mapped) -> tuple[Sinking, float]:
        """Whom silence concerns next, and how many seconds the whole set will take if it goes on like this."""
        end = datetime.now(UTC)
        part = part_of(mapped, end)
        self.say("Who sinks next, and when? A tenth of the customers, in a tenant of their own, shows it.")
        started = time.monotonic()
        await self.send(part)
        seconds = max((time.monotonic() - started - IDLE) * _size(mapped) / _size(part), LEAST)
        found = await self.come("a customer whom silence puts at risk", lambda: sinking_next(self.api, end))
        self.say(f"Customer {found.external_id}, {_span(found.after)} after the end of the set.")
        return found, seconds

    async def prepare(self, mapped: Mapped, sinking: Sinking, at: datetime) -> str:
        """Sends everything, ending so that it will be at `at`, and a playbook waits for it. Returns the customer's
        id."""
        end = sinking.end_for(at)
        self.say(f"All of the set, as if it had ended at {_clock(end)}: then it will be at {_clock(at)}.")
        move(mapped, end - last_of(mapped))
        await self.send(mapped)

        async def foreseen() -> Any:
            listed = (await self.api.get("analytics", f"/v1/health/upcoming?to={BAND}&first=20")).json()["items"]
            return next((each for each in listed if abs(_instant(each["due_at"]) - at) < timedelta(seconds=1)), None)

        found = await self.come(f"what is foreseen for {_clock(at)}", foreseen)
        customer = (await self.api.get("contacts", f"/v1/customers/{found['customer_id']}")).json()
        self.say(
            f"Foreseen: {customer['name']} is {found['band']}, and will be {found['due_band']} at "
            f"{_clock(_instant(found['due_at']))} if nothing happens. Nothing will."
        )
        playbook = (await self.api.post("analytics", "/v1/playbooks", PLAYBOOK)).json()
        await self.api.post("analytics", f"/v1/playbooks/{playbook['id']}:start", {})
        self.say("A playbook was started: who comes into at_risk gets a task in sales and a case in service-desk.")
        if datetime.now(UTC) > at:
            raise LocalError("All that took longer than was allowed for, and the instant has passed: another TENANT?")
        return str(customer["id"])

    async def follow(self, watch: Watch, customer: str, at: datetime) -> None:
        self.say("Subscribed to healthChanged at the gateway.")
        await self.wait_until(at, watch)

        async def changed() -> Any:
            watch.check()
            return watch.changes.get(customer)

        change = await self.come("the change of health", changed)
        happened = _instant(change["at"])
        late = (_instant(change["recordedAt"]) - happened).total_seconds()
        self.say(
            f"Seen: customer {customer} went from {change['fromBand']} to {change['band']} by {change['cause']}, "
            f"at {change['score']:.1f} points, on {_clock(happened)}; reported {late:.1f} s later."
        )
        if change["cause"] != "SILENCE":
            raise LocalError(f"It was to be by silence, and was by {change['cause']}.")
        task = await self.made("sales", "tasks", customer)
        case = await self.made("service-desk", "cases", customer)
        await self.explain(task["explanation"], customer)
        self.say(f"In sales a task: {task['title']}, due {task['due_at']} ({task['id']})")
        self.say(f"In service-desk a case: {case['subject']}, {case['priority']}, {case['queue']} ({case['id']})")
        await self.trace(watch, change["traceId"])

    async def made(self, service: str, plural: str, customer: str) -> Any:
        """The one that the playbook had made."""

        async def listed() -> Any:
            return (await self.api.get(service, f"/v1/{plural}?customer_id={customer}")).json()["items"] or None

        found = await self.come(f"one of {service}'s {plural}", listed)
        if len(found) != 1:
            raise LocalError(f"Of {plural} there was to be one, and there are {len(found)}.")
        return found[0]

    async def explain(self, path: str, customer: str) -> None:
        """Where the task says that it is explained."""
        health = (await self.api.get("analytics", f"{path}&language=en")).json()
        timeline = (await self.api.get("analytics", f"/v1/customers/{customer}/timeline?first=500")).json()["items"]
        events = {each["id"]: each for each in timeline}
        self.say(f"Why: {health['words']}")
        for each in health["contributions"]:
            self.console.print(f"     {each['words']}", markup=False, highlight=False)
            for id in each["events"][:3]:
                described = f"{events[id]['type']} at {events[id]['time']}, event {id}"
                self.console.print(f"       {described}", style="dim", highlight=False)

    async def trace(self, watch: Watch, trace: str) -> None:
        async def complete() -> Any:
            watch.check()
            return Counter(watch.types[trace]) >= CHAIN or None

        await self.come(f"trace {trace} on the bus, whole", complete)
        self.say(f"One trace binds them: {trace}")
        for type in watch.types[trace]:
            self.console.print(f"     {type}", highlight=False)

    async def send(self, mapped: Mapped) -> None:
        sent = await Sender(self.api, self.progress).send(mapped.commands)
        if sent.rejected:
            raise LocalError(f"{len(sent.rejected)} rows were refused, the first: {sent.rejected[0].detail}")
        await wait_until_folded(self.api, sent.positions, before=0, published=sent.events, progress=self.progress)

    async def wait_until(self, at: datetime, watch: Watch) -> None:
        left = math.ceil((at - datetime.now(UTC)).total_seconds())
        self.progress.begin("silence, in seconds", max(left, 1))
        for _ in range(left):
            watch.check()
            await asyncio.sleep(1)
            self.progress.advance(1)

    async def come(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """What it finds, once it does. Raises LocalError if it does not come in its time."""
        deadline = time.monotonic() + WITHIN
        while (found := await look()) is None:
            if time.monotonic() > deadline:
                raise LocalError(f"This did not come within {WITHIN:.0f} s: {what}.")
            await asyncio.sleep(0.2)
        return found

    def say(self, words: str) -> None:
        self.console.print(f"[dim]{datetime.now(UTC):%H:%M:%S}[/]  {words}", highlight=False, soft_wrap=True)


def _size(mapped: Mapped) -> int:
    return sum(map(len, mapped.commands.values()))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _span(of: timedelta) -> str:
    return f"{of.days} days {of.seconds // 3600} h {of.seconds % 3600 // 60} min"
