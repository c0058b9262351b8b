"""One replay from the words on the command line to the summary."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.ports import ports_of
from kith_local.replay import SETS
from kith_local.replay.api import Api
from kith_local.replay.b2b import B2B
from kith_local.replay.bank import BANK
from kith_local.replay.commands import DataSet
from kith_local.replay.desk import DESK
from kith_local.replay.files import Tables, locate, read
from kith_local.replay.folding import ledger_size, wait_until_folded
from kith_local.replay.report import Outcome, show, shown_progress
from kith_local.replay.retail import RETAIL
from kith_local.replay.saas import SAAS
from kith_local.replay.sender import Progress, Sender
from kith_local.replay.shift import end_of, last_of, move
from kith_local.state import StateFile
from kith_local.tokens import fetch_token

DATA_SETS = {each.name: each for each in (RETAIL, B2B, DESK, BANK, SAAS)}


@dataclass(frozen=True, slots=True)
class Request:
    """Which sets, from which files, for whom, and when they are to end."""

    sets: tuple[DataSet, ...]
    folder: Path | None
    tenant: str
    files: Mapping[str, Path]
    end: datetime | None = None
    """None: all keep their original times."""

    @classmethod
    def of(cls, name: str, folder: Path | None, tenant: str, files: Sequence[str], end: str = "") -> "Request":
        """Raises LocalError if there is no such set, a file is none of its own, or the end is yet to come."""
        if name not in (*SETS, "all"):
            raise LocalError(f"SET={name}: there is no such set. Choose one of: {', '.join(SETS)}, all.")
        sets = tuple(DATA_SETS[each] for each in (SETS if name == "all" else [name]))
        if len(sets) > 1 and (tenant or os.environ.get("KITH_TOKEN")):
            raise LocalError("Each set is a company of its own: SET=all goes without TENANT and KITH_TOKEN.")
        known = [source.name for each in sets for source in each.sources]
        replaced = {}
        for given in files:
            file, _, path = given.partition("=")
            if file not in known or not path:
                raise LocalError(f"--file {given}: say NAME=PATH, with a name of: {', '.join(known)}.")
            replaced[file] = Path(path)
        return cls(sets, folder, tenant, replaced, end_of(end, datetime.now(UTC)) if end else None)


def replay(request: Request) -> int:
    # All files of all sets are read first: a missing column is reported before anything is sent.
    loaded = [(each, _load(each, request)) for each in request.sets]
    for data_set, tables in loaded:
        tenant = request.tenant or data_set.name
        try:
            with shown_progress() as (console, progress):
                outcome = asyncio.run(_replay_one(data_set, tables, tenant, progress, request.end))
        except KeyboardInterrupt:
            raise LocalError("Stopped. What was sent stays; the same again sends the rest.") from None
        show(console, outcome)
    return 0


def _load(data_set: DataSet, request: Request) -> Tables:
    paths = locate(data_set.sources, request.folder, request.files)
    return {source.name: read(source, paths[source.name]) for source in data_set.sources}


async def _replay_one(
    data_set: DataSet, tables: Tables, tenant: str, progress: Progress, end: datetime | None
) -> Outcome:
    layout = Layout.of()
    token = os.environ.get("KITH_TOKEN") or fetch_token(layout, tenant=tenant)
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        return await carry_out(data_set, tables, tenant, Api(http, service_urls(layout), token), progress, end)


async def carry_out(
    data_set: DataSet, tables: Tables, tenant: str, api: Api, progress: Progress, end: datetime | None = None
) -> Outcome:
    """Map, move if an end is given, send, wait until it is folded."""
    started = time.monotonic()
    mapped = data_set.map(tables)
    moved_by = None if end is None else end - last_of(mapped)
    if moved_by is not None:
        move(mapped, moved_by)
    before = await ledger_size(api)
    sent = await Sender(api, progress).send(mapped.commands)
    sent_at = time.monotonic()
    folded = await wait_until_folded(api, sent.positions, before=before, published=sent.events, progress=progress)
    return Outcome(
        data_set=data_set,
        tenant=tenant,
        rows={name: len(rows) for name, rows in tables.items()},
        mapped=mapped,
        sent=sent,
        folded=folded,
        seconds_sending=sent_at - started,
        seconds_folding=time.monotonic() - sent_at,
        moved_by=moved_by,
        end=end,
    )


def service_urls(layout: Layout, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where the services run: where the environment says, else where make start has put them."""
    state = StateFile(layout.run).read()
    running = (
        {part.name: part.url.removesuffix("/docs").removesuffix("/graphql") for part in state.parts} if state else {}
    )
    moved = bool(environment.get("KITH_PORT_BASE"))
    urls = {}
    for name, port in ports_of(environment).items():
        service = name.replace("_", "-")
        given = moved or environment.get(port.variable)
        at = f"http://127.0.0.1:{port.number}"
        urls[service] = at if given else running.get(f"{service}-api") or running.get(service) or at
    return urls
