"""Waits until analytics has counted all that was sent, and returns how much that was."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kith.events.analytics import ActionRequested, HealthChanged
from kith_local.errors import LocalError
from kith_local.replay.api import Api
from kith_local.replay.sender import Progress

LOOK_EVERY = 0.5
PATIENCE = 120.0


class NotFolded(LocalError):
    """Nothing moved for too long."""


async def ledger_size(api: Api) -> int:
    """Returns how many events of the tenant are counted, but for the ones that follow from others."""
    by_type: dict[str, int] = (await api.get("analytics", "/v1/ledger")).json()["by_type"]
    return sum(count for type, count in by_type.items() if type not in _FOLLOWING)


_FOLLOWING = frozenset({HealthChanged.type, ActionRequested.type})
"""What analytics publishes when nobody has sent it anything."""


async def wait_until_folded(
    api: Api,
    positions: Mapping[str, datetime],
    *,
    before: int,
    published: int,
    progress: Progress,
    patience: float = PATIENCE,
    look_every: float = LOOK_EVERY,
) -> int:
    """Until each source is counted up to its position and the ledger, which held `before` events, has the published
    ones too. Returns how many have come.

    Raises NotFolded, saying what is lacking, when nothing has moved for `patience` seconds.
    """
    progress.begin("analytics folds events", published)
    shown, last, moved_at = 0, None, time.monotonic()
    while True:
        freshness = await api.get("analytics", "/v1/freshness")
        folded = await ledger_size(api) - before
        progress.advance(min(folded, published) - shown)
        shown = min(folded, published)
        lacking = _lacking(_reached(freshness.json()), positions)
        if not lacking and folded >= published:
            return folded
        if (now := (folded, lacking)) != last:
            last, moved_at = now, time.monotonic()
        elif time.monotonic() - moved_at > patience:
            lacking = lacking or [f"of {published:,} events published the ledger holds {folded:,}"]
            raise NotFolded(f"Nothing was folded for {patience:.0f} s. Lacking: {'; '.join(lacking)}.")
        await asyncio.sleep(look_every)


def _reached(freshness: Any) -> dict[str, datetime | None]:
    return {
        each["source"]: datetime.fromisoformat(each["counted_up_to"]) if each["counted_up_to"] else None
        for each in freshness["sources"]
    }


def _lacking(reached: Mapping[str, datetime | None], positions: Mapping[str, datetime]) -> list[str]:
    found = []
    for source, position in positions.items():
        up_to = reached.get(source)
        if up_to is None or up_to < position:
            so_far = up_to.isoformat() if up_to else "never"
            found.append(f"{source} is to be counted up to {position.isoformat()}, and was up to {so_far}")
    return found
