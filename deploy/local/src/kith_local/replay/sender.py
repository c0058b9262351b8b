"""Sends commands in bulk: a noun after the other, many rows a request, several requests in flight."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import httpx

from kith_local.replay.api import Api
from kith_local.replay.commands import Command, Noun, Reference, Rejected

BATCH = 2000
IN_FLIGHT = 4


class Progress(Protocol):
    def begin(self, what: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...


@dataclass(slots=True)
class Tally:
    """Of one noun."""

    commands: int = 0
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    events: int = 0


@dataclass(slots=True)
class Sent:
    tallies: dict[Noun, Tally] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    positions: dict[str, datetime] = field(default_factory=dict)
    """By source, the last instant at which something of this replay was recorded."""

    @property
    def events(self) -> int:
        return sum(tally.events for tally in self.tallies.values())


@dataclass(slots=True)
class Sender:
    api: Api
    progress: Progress
    batch: int = BATCH
    sent: Sent = field(default_factory=Sent)
    _ids: dict[Reference, UUID] = field(default_factory=dict)

    async def send(self, commands: Mapping[Noun, Sequence[Command]]) -> Sent:
        for noun, of_noun in commands.items():
            await self._send_noun(noun, of_noun)
        return self.sent

    async def _send_noun(self, noun: Noun, commands: Sequence[Command]) -> None:
        self.progress.begin(f"{noun.service} {noun.plural}", len(commands))
        self.sent.tallies[noun] = Tally(commands=len(commands))
        for wave in waves(commands):
            await self._send_wave(noun, wave)

    async def _send_wave(self, noun: Noun, commands: Sequence[Command]) -> None:
        todo = iter(list(batches(commands, self.batch)))

        async def work() -> None:
            for batch in todo:  # shared: each batch goes to a worker that is free
                await self._send_batch(noun, batch)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _send_batch(self, noun: Noun, commands: Sequence[Command]) -> None:
        rows: list[dict[str, Any]] = []
        going: list[Command] = []
        for command in commands:
            try:
                rows.append(command.body(self._ids))
                going.append(command)
            except KeyError as missing:
                named = _named(missing.args[0])
                self._reject(command, f"its {named} was rejected", f"{named} {missing.args[0].external_id}")
        if rows:
            self._take(going, await self.api.post(noun.service, f"/v1/{noun.plural}:bulk", {"rows": rows}))
        self.progress.advance(len(commands))

    def _take(self, commands: Sequence[Command], answer: httpx.Response) -> None:
        body = answer.json()
        tally = self.sent.tallies[commands[0].noun]
        tally.accepted += body["accepted"]
        tally.unchanged += body["unchanged"]
        tally.events += body["events"]
        for command, result in zip(commands, body["results"], strict=True):
            if result["status"] == "rejected":
                self._reject(command, *_words(result["problem"]))
            else:
                self._ids[Reference(command.noun, command.external_id)] = UUID(result["id"])
        source, _, instant = answer.headers["Kith-Position"].partition("@")
        recorded_at = datetime.fromisoformat(instant)
        self.sent.positions[source] = max(recorded_at, self.sent.positions.get(source, recorded_at))

    def _reject(self, command: Command, reason: str, detail: str) -> None:
        self.sent.tallies[command.noun].rejected += 1
        what = f"{command.verb or 'new'} {command.noun.plural}"
        self.sent.rejected.append(Rejected(command.origin, f"{what}: {reason}", f"{command.external_id}: {detail}"))


def waves(commands: Sequence[Command]) -> list[Sequence[Command]]:
    """Those that a record of the same noun is named by go after it, as its id is known once it is there: subsidiaries
    after their parent. All commands on one thing are of one wave."""
    wave_of: dict[str, int] = {}
    for command in commands:
        named = [each for each in command.fields.values() if isinstance(each, Reference) and each.noun == command.noun]
        after = (wave_of[each.external_id] + 1 for each in named if each.external_id in wave_of)
        wave_of[command.external_id] = max(wave_of.get(command.external_id, 0), *after, 0)
    numbers = sorted(set(wave_of.values()))
    return [[each for each in commands if wave_of[each.external_id] == number] for number in numbers]


def batches(commands: Sequence[Command], size: int) -> Iterator[Sequence[Command]]:
    """Of about `size`. Commands on the same thing stay together: only within a request is their order kept."""
    start = 0
    while start < len(commands):
        end = min(start + size, len(commands))
        while end < len(commands) and commands[end].external_id == commands[end - 1].external_id:
            end += 1
        yield commands[start:end]
        start = end


def _named(reference: Reference) -> str:
    return {"opportunities": "opportunity"}.get(reference.noun.plural, reference.noun.plural.removesuffix("s"))


def _words(problem: Mapping[str, Any]) -> tuple[str, str]:
    """What a rejection has in common with others, and what is its own."""
    errors = problem.get("errors", ())
    fields = ", ".join(dict.fromkeys(each["field"] for each in errors))
    rules = "; ".join(f"{each['field']}: {each['rule']}" for each in errors)
    code = problem["type"].rpartition(":")[2]
    return f"{code} {fields}".strip(), rules or problem["detail"]
