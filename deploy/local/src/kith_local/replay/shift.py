"""A set moved in time as a whole, so that what was recorded long ago ends when it is wanted.

All times move by the same, and ids do not: how long before or after another something happened, stays. Sent again with
the same end, it is the same; with another end it is another history under the same ids, and is refused.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kith.errors import Invalid
from kith.scalars import Instant, reading
from kith_local.errors import LocalError
from kith_local.replay.commands import Mapped


def end_of(text: str, now: datetime) -> datetime:
    """Raises LocalError if it is no instant, or one that is yet to come."""
    if text == "now":
        return now
    try:
        end: datetime = reading(Instant, text, field="END")
    except Invalid:
        raise LocalError(f"END={text}: say an instant with its zone, as 2026-03-01T12:00:00+01:00, or now.") from None
    if end > now:
        raise LocalError(f"END={text} is yet to come: nothing can be recorded as having happened then.")
    return end.astimezone(UTC)


def last_of(mapped: Mapped) -> datetime:
    """When the last event happens. Raises ValueError if there is none."""
    return max(command.at for commands in mapped.commands.values() for command in commands)


def move(mapped: Mapped, by: timedelta) -> None:
    for noun, commands in mapped.commands.items():
        mapped.commands[noun] = [replace(command, at=command.at + by) for command in commands]
