"""Waiting that a stop cuts short."""

import asyncio
from contextlib import suppress


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Until `stop` is set, at most so many seconds."""
    # Not wait_for: in Python 3.11 it can swallow a cancellation.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
