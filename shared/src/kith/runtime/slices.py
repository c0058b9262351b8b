"""Work on many items on an event loop that others use too."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

PIECE = 1000
"""Rows that are written at a time: a driver makes all of them ready in one go."""

SLICE_SECONDS = 0.005
"""A request of another tenant takes some ten turns of the loop: each may wait for as long as this."""


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """The items, with a turn for whatever else waits each time a slice of time has passed."""
    end = perf_counter() + SLICE_SECONDS
    for item in items:
        yield item
        if perf_counter() >= end:
            await asyncio.sleep(0)
            end = perf_counter() + SLICE_SECONDS


def in_pieces(items: Iterable[T], size: int = PIECE) -> Iterator[list[T]]:
    each = iter(items)
    while piece := list(islice(each, size)):
        yield piece
