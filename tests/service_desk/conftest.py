"""The service, and tenants that speak to it."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from service_desk.service import SERVICE

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def acme(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, tenant)


@pytest.fixture
async def other(serve: Serve, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, other_tenant)


@pytest.fixture
async def case(acme: Tenant) -> Answer:
    return await acme.made("/v1/cases", subject="No light", channel="phone")
