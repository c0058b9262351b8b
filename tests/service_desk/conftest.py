"""The service, and tenants that speak to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from kith.service import Service
from kith.testing import ALL_SCOPES, Issuer
from service_desk.service import SERVICE

Answer = dict[str, Any]
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@dataclass(frozen=True)
class Tenant:
    """Speaks to the service as one tenant, with all scopes but those it is to do `without`."""

    client: httpx.AsyncClient
    issuer: Issuer
    name: str
    scopes: str = ALL_SCOPES

    def without(self, scope: str) -> "Tenant":
        return replace(self, scopes=self.scopes.replace(scope, ""))

    async def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers={**self._authorized(), **headers})

    async def get(self, path: str, **query: str | int) -> httpx.Response:
        return await self.client.get(path, params=query, headers=self._authorized())

    async def made(self, path: str, **body: object) -> Answer:
        """What was created, which must have worked."""
        answer = await self.post(path, body)
        assert answer.status_code == 201, answer.text
        found: Answer = answer.json()
        return found

    async def ask(self, query: str, **variables: object) -> Answer:
        """The data of a GraphQL request, which must have no errors."""
        answer = (await self.post("/graphql", {"query": query, "variables": variables})).json()
        assert "errors" not in answer, answer["errors"]
        found: Answer = answer["data"]
        return found

    def _authorized(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(self.name, self.scopes)}"}


@pytest.fixture
async def acme(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, tenant)


@pytest.fixture
async def other(serve: Serve, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, other_tenant)


@pytest.fixture
async def case(acme: Tenant) -> Answer:
    return await acme.made("/v1/cases", subject="No light", channel="phone")
