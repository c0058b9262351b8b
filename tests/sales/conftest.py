from collections.abc import Awaitable, Callable

import httpx
import pytest

from kith.runtime.service import Service
from sales.service import SERVICE


@pytest.fixture
async def sales(serve: Callable[[Service], Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    return await serve(SERVICE)
