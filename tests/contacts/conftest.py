"""The service, and tenants that speak to it."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from contacts.service import SERVICE
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def acme(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, tenant)


@pytest.fixture
async def other(serve: Serve, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, other_tenant)


@pytest.fixture
async def customer(acme: Tenant) -> Answer:
    return await acme.made("/v1/customers", kind="organisation", name="Acme Works", segment="smb")
