"""A fake house, an API to talk to it, and files written on the spot."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.kith_local.replay.house import URLS, House, Silent

from kith_local.replay.api import Api
from kith_local.replay.files import Row, Source, read


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def progress() -> Silent:
    return Silent()


@pytest.fixture
def api(house: House, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr("kith_local.replay.api.FIRST_PAUSE", 0.001)
    return Api(httpx.AsyncClient(transport=httpx.MockTransport(house)), URLS, "token", patience=0.2)


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., list[Row]]:
    """Written as a file and read back, so that a mapping is tested on what the reader makes of it."""

    def written(source: Source, *lines: str) -> list[Row]:
        path = tmp_path / source.name
        path.write_text("\n".join([",".join(source.columns), *lines]) + "\n")
        return read(source, path)

    return written
