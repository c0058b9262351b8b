"""Requests find their collection without trying the routes of all others."""

from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from kith.http.routers import CollectionRouter


class _Counted(APIRouter):
    tried = 0

    def matches(self, scope: Any) -> Any:
        type(self).tried += 1
        return super().matches(scope)


class Things(CollectionRouter, _Counted):
    pass


async def test_a_collection_is_tried_for_what_is_below_its_path_alone() -> None:
    app = FastAPI()
    for name in ("cats", "dogs"):
        router = Things(f"/v1/{name}", prefix="/v1")
        router.get(f"/{name}/{{number}}")(lambda number, name=name: f"{name} {number}")
        app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/v1/dogs/7")).json() == "dogs 7"
        assert Things.tried == 1
        for path in ("/v1/birds", "/v1/cat", "/"):
            assert (await client.get(path)).status_code == 404
        assert Things.tried == 1
