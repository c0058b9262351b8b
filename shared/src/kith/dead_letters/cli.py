"""`python -m <service> dead-letters`: the dead letters of all tenants, and those whose tenant cannot be read. For
operators who may log in to the service's database. What could not be applied it tries as the worker does, whether or
not one runs; what could not be published it leaves to the worker, which owns the outbox."""

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.consumer import discard_dead_letters, replay_dead_letters
from kith.consumer.reads import LetterView, State, details_of, page_of
from kith.consumer.replay import Wish
from kith.consumer.requests import amend_as_operator, ask_worker
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.errors import DomainError
from kith.outbox.dead_letters import group_of
from kith.runtime.service import Service
from kith.runtime.settings import Settings

PATIENCE = 30.0
"""Seconds that a worker may take."""
_REASON = 60
_COLUMNS = ("id", "state", "requested", "parked", "attempts", "type", "subject", "first_failed_at", "reason")


def parser_for(service: Service) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} dead-letters",
        description=f"Events that {service.name} could not apply, or not publish: of all tenants, and of none that "
        "can be read",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|amend|replay|discard")
    listing = verbs.add_parser("list", help="oldest first")
    listing.add_argument("--tenant", help="of this tenant only")
    listing.add_argument("--state", choices=[*State, "all"], default=State.UNRESOLVED.value)
    listing.add_argument("--type", help="of this type of event only")
    listing.add_argument("--failed", action="store_true", help="leave out what only waits behind another")
    listing.add_argument("--first", type=int, default=50, help="how many (default: 50)")
    listing.add_argument("--after", help="the last id of the page before")
    showing = verbs.add_parser("show", help="one of them, with its message and its history")
    showing.add_argument("id", type=int)
    amending = verbs.add_parser("amend", help="put its message right; replay it then")
    amending.add_argument("id", type=int)
    amending.add_argument("--body", help="the whole body of the event, JSON")
    amending.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value of it, as in ce_time=2026-01-31T12:00:00Z; without a value it is taken away",
    )
    amending.add_argument("--tenant", help="whose it is, where that cannot be read")
    amending.add_argument("--note", help="why; kept with it, so name no person")
    replaying = verbs.add_parser("replay", help="handle them again, each with the rest of its aggregate's")
    replaying.add_argument("id", type=int, nargs="*", help="which; all that are unresolved, if none is given")
    discarding = verbs.add_parser("discard", help="resolve them without effect")
    discarding.add_argument("id", type=int, nargs="+")
    discarding.add_argument("--note", required=True, help="why; kept with them, so name no person")
    return parser


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    arguments = parser_for(service).parse_args(words)
    try:
        asyncio.run(_run(service, settings, arguments))
    except DomainError as error:
        raise SystemExit(error.detail) from error


async def _run(service: Service, settings: Settings, given: argparse.Namespace) -> None:
    engine = create_engine(
        settings.database, role=WORKER_ROLE, pool_size=2, application=f"kith {service.name} dead letters"
    )
    try:
        match given.verb:
            case "list":
                await _list(engine, given)
            case "show":
                await _show(engine, given.id)
            case "amend":
                await _amend(engine, given)
            case "replay":
                await _replay(service, settings, engine, given.id)
            case _:
                await _discard(service, engine, given.id, given.note)
    finally:
        await engine.dispose()


async def _list(engine: AsyncEngine, given: argparse.Namespace) -> None:
    async with engine.connect() as connection:
        page = await page_of(
            connection,
            given.tenant,
            first=given.first,
            after=given.after,
            state=None if given.state == "all" else State(given.state),
            type=given.type,
            parked=False if given.failed else None,
        )
    for line in table(page.rows):
        print(line)  # noqa: T201 - that is what the command is for
    if page.next is not None:
        print(f"more: --after {page.next}")  # noqa: T201


def table(dead_letters: Sequence[LetterView]) -> Iterator[str]:
    rows = [[name.replace("_", " ") for name in _COLUMNS]]
    rows += [[_cell(getattr(letter, name)) for name in _COLUMNS] for letter in dead_letters]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # It is others' text: nothing in it may move the cursor.
    words = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return words if len(words) <= _REASON else words[: _REASON - 1] + "…"


async def _show(engine: AsyncEngine, id: int) -> None:
    async with engine.connect() as connection:
        letter = await details_of(connection, None, id)
    payload = msgspec.json.decode(msgspec.json.encode(asdict(letter)))
    print(json.dumps(payload, indent=2))  # noqa: T201


async def _replay(service: Service, settings: Settings, engine: AsyncEngine, ids: Sequence[int]) -> None:
    handled = left = 0
    for each in service.subscriptions:
        current = each.current(generation=settings.topic_generation, partitions=settings.topic_partitions)
        done = await replay_dead_letters(current, engine, ids=ids or None)
        handled += done.handled
        left += done.left
    published = await ask_worker(engine, group_of(service.name), Wish.REPLAY, ids, patience=PATIENCE)
    handled, left = handled + published.handled, left + published.left
    print(f"{handled} took effect, {left} are left")  # noqa: T201
    if left:
        raise SystemExit(1)


async def _amend(engine: AsyncEngine, given: argparse.Namespace) -> None:
    changes = {name: value if sign else None for name, sign, value in (each.partition("=") for each in given.header)}
    async with engine.begin() as connection:
        await amend_as_operator(
            connection,
            given.id,
            body=given.body.encode() if given.body is not None else None,
            headers=changes,
            tenant=given.tenant,
            note=given.note,
        )
    print("amended; replay it")  # noqa: T201


async def _discard(service: Service, engine: AsyncEngine, ids: Sequence[int], note: str) -> None:
    count = 0
    for subscription in service.subscriptions:
        count += await discard_dead_letters(subscription.group, engine, ids, note=note)
    group = group_of(service.name)
    count += (await ask_worker(engine, group, Wish.DISCARD, ids, note=note, patience=PATIENCE)).handled
    print(f"{count} of {len(set(ids))} discarded; replay what waited behind them")  # noqa: T201
    if count < len(set(ids)):
        raise SystemExit(1)
