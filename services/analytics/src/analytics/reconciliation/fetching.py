"""Fetching what the services hold, as any client would: over their exports, with a token for one tenant."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

import httpx
import msgspec

from analytics.reconciliation.collections import Collection, as_published
from analytics.reconciliation.export_files import Exported
from analytics.settings import AnalyticsSettings
from kith.nouns.export import Incomplete, rows_of
from kith.peers.credentials import BUSY, ClientCredentials, NoToken

SCOPES = "contacts:read sales:read service-desk:read"
"""None for personal fields: no name and no free text leaves its service for this."""
TRIES = 5
PAUSE_SECONDS = 1.0
"""Before the second try; twice that before the third, and so on."""
_encode = msgspec.json.Encoder().encode_lines

Token = Callable[[str], Awaitable[str]]
"""An access token for a tenant. Raises NoToken."""


class NotFetched(Exception):
    """A service, or the issuer, did not give what was requested. The message says which, and what it answered."""

    loggable = True


class _TryAgain(Exception):
    pass


@dataclass(frozen=True)
class Services:
    """Where the services are, and how to get in."""

    clients: Mapping[str, httpx.AsyncClient]
    token: Token

    @classmethod
    @asynccontextmanager
    async def of(cls, settings: AnalyticsSettings) -> AsyncIterator["Services"]:
        """Raises NotFetched that names the settings that are missing."""
        urls = {
            "contacts": settings.url_contacts,
            "sales": settings.url_sales,
            "service-desk": settings.url_service_desk,
        }
        if lacking := missing(settings):
            raise NotFetched(f"It is not set where the services are and how to ask them: {', '.join(lacking)}.")
        async with AsyncExitStack() as stack:
            clients = {
                service: await stack.enter_async_context(httpx.AsyncClient(base_url=str(url), timeout=60))
                for service, url in urls.items()
            }
            yield cls(clients, ClientCredentials(settings, SCOPES).token)

    async def fetch(self, tenant: str, collection: Collection, file: BinaryIO) -> Exported:
        """One collection, whole, into an empty file. Raises NotFetched."""
        for attempt in range(1, TRIES + 1):
            try:
                return Exported(collection, file, await self._fetch(tenant, collection, file))
            except (_TryAgain, NoToken, httpx.TransportError, Incomplete) as error:
                if isinstance(error, NoToken) and not error.passes:
                    raise NotFetched(str(error)) from error
                if attempt == TRIES:
                    raise NotFetched(f"{collection.service} did not give all {collection.name}: {error}") from error
            file.seek(0)
            file.truncate()
            await asyncio.sleep(PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        raise AssertionError("the last attempt returns or raises")

    async def _fetch(self, tenant: str, collection: Collection, file: BinaryIO) -> datetime:
        headers = {"Authorization": f"Bearer {await self.token(tenant)}"}
        client, verb = self.clients[collection.service], "" if collection.one_per_tenant else ":export"
        async with client.stream("GET", f"/v1/{collection.name}{verb}", headers=headers) as answer:
            _check(answer, collection)
            if collection.one_per_tenant:
                row = msgspec.json.decode(await answer.aread())
                if row["version"]:  # before anybody has changed them no event has published them
                    file.write(_encode([collection.kept(as_published(row))]))
                return _UNTIMED
            async for row in rows_of(answer.aiter_bytes()):
                file.write(_encode([collection.kept(row)]))
            return datetime.fromisoformat(answer.headers["Kith-Position"].partition("@")[2])


_UNTIMED = datetime.max.replace(tzinfo=UTC)
"""What is one per tenant comes without a time."""


def _check(answer: httpx.Response, collection: Collection) -> None:
    if answer.status_code in BUSY:
        raise _TryAgain(f"it answered {answer.status_code}")
    if answer.status_code != httpx.codes.OK:
        raise NotFetched(f"{collection.service} answered {answer.status_code} for its {collection.name}.")


def missing(settings: AnalyticsSettings) -> list[str]:
    """Returns the settings without which the services cannot be queried."""
    needed = ("url_contacts", "url_sales", "url_service_desk", "client_file")
    return [f"KITH_{name.upper()}" for name in needed if getattr(settings, name) is None]
