"""Processes over both APIs: seen, tried again, called off, abandoned."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from kith.api import Feature
from kith.http.auth import Actor
from kith.jobs.api import JobsApi, Verb
from kith.jobs.reads import JobView
from kith.processes import changes
from kith.processes.table import TABLE, ProcessState

TAG = "processes"
WORDS = "What takes several services, step by step, and is undone where it cannot be brought to its end."


@dataclass(slots=True)
class ProcessView(JobView):
    kind: str
    """`lead_conversion`, say."""
    params: dict[str, Any]
    """What was asked for, but for what names people."""
    state: str
    """`running`, `undoing`, `stuck`, `done`, `undone` or `abandoned`."""
    done: int
    """Steps, of `total`."""
    reason: str | None
    """Why it is undone."""
    failure: str | None
    """What stood in the way of the last step; null: nothing did."""
    about_id: UUID
    """The record that it is about."""
    made: dict[str, Any]
    """By step, the id of the record that it has made; null: it was not needed."""
    left: dict[str, Any] | None
    """By step, what was made and is left: it was changed meanwhile, or not undone yet when the process was abandoned.
    Null: nobody could say whether it was made."""
    failures: int
    """In a row, up to now."""
    next_at: datetime | None
    """When it goes on; null: it has ended."""


@dataclass(slots=True)
class ProcessPage:
    items: list[ProcessView]
    next: str | None


@strawberry.type(name="Process")
class ProcessType(ProcessView):
    params: JSON  # type: ignore[assignment]
    made: JSON  # type: ignore[assignment]
    left: JSON | None  # type: ignore[assignment]


VERBS = (
    Verb(
        "retry",
        "Try a process again now",
        "And not when its turn would come. One that has ended is refused (409).",
        changes.retry,
    ),
    Verb(
        "cancel",
        "Call a process off",
        "What it has done is undone. One that is not running is refused (409).",
        changes.cancel,
    ),
    Verb(
        "abandon",
        "Abandon a process",
        "What could not be undone is left, and listed. Only one that is being undone is abandoned (409).",
        changes.abandon,
    ),
)


def processes_feature(service: str) -> Feature:
    """Returns what a service offers that carries out processes."""

    def whose(actor: Actor, verb: str) -> str | None:
        """Whoever reads some records only sees the processes of its own; changing one takes to write as well."""
        for needed in ("read", verb):
            actor.reach(f"{service}:{needed}")
        return None if actor.scopes >= {f"{service}:read", f"{service}:{verb}"} else actor.id

    api = JobsApi(
        TABLE,
        service,
        "process",
        "processes",
        TAG,
        ProcessView,
        ProcessView,
        ProcessPage,
        ProcessView,
        ProcessType,
        ProcessType,
        {
            "list": "With `state=stuck` those that wait for somebody. They are kept for 90 days.",
            "one": "Look again until `state` is `done`, `undone` or `abandoned`.",
            "process": "How far a process is, and what came of it.",
            "processes": "Processes, newest first. They are kept for 90 days.",
        },
        VERBS,
        noun="process",
        many="Processes, newest first",
        states=tuple(ProcessState),
        whose=whose,
    )
    return Feature(queries=api.queries(), mutations_of=lambda _: api.mutations(), routers=(api.router(),))
