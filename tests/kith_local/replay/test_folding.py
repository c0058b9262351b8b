from datetime import timedelta

import pytest
from tests.kith_local.replay.house import RECORDED, House, Silent

from kith_local.replay.api import Api
from kith_local.replay.folding import NotFolded, wait_until_folded

POSITIONS = {"sales": RECORDED, "contacts": RECORDED}


async def folded(api: Api, *, published: int = 10, before: int = 5) -> int:
    return await wait_until_folded(
        api, POSITIONS, before=before, published=published, progress=Silent(), patience=0.1, look_every=0.01
    )


async def test_it_is_folded_when_every_source_is_counted_and_the_ledger_has_all(api: Api, house: House) -> None:
    house.events = 15
    assert await folded(api) == 10


async def test_events_that_were_under_way_before_are_counted_too(api: Api, house: House) -> None:
    house.events = 20
    assert await folded(api) == 15


async def test_without_a_sign_of_life_it_says_which_source_lacks(api: Api, house: House) -> None:
    house.events = 15
    house.counted_up_to = RECORDED - timedelta(seconds=1)
    with pytest.raises(
        NotFolded, match=r"for 0 s. Lacking: sales is to be counted up to 2026-01-01T00:00:00\+00:00, and"
    ):
        await folded(api)
    house.counted_up_to = None
    with pytest.raises(NotFolded, match="and was up to never"):
        await folded(api)


async def test_it_says_how_many_events_the_ledger_lacks(api: Api, house: House) -> None:
    house.events = 14
    with pytest.raises(NotFolded, match=r"Lacking: of 10 events published the ledger holds 9\.$"):
        await folded(api)


async def test_it_waits_as_long_as_something_moves(api: Api, house: House) -> None:
    """Sixty looks of at least 10 ms: several times longer than its patience, but never without a new event."""
    house.events_per_look = 1
    assert await folded(api, published=60, before=0) == 60
