"""For tests of the services: an issuer without a network, and a client of a service without a socket."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from kith.api import api_of, context_for
from kith.attachments.settings import AttachmentSettings
from kith.http.auth import Authenticator
from kith.http.scopes import SCOPES
from kith.ids import new_id
from kith.runtime.service import Service
from kith.runtime.settings import Settings

ALL_SCOPES = " ".join(SCOPES)


Answer = dict[str, Any]


class Issuer:
    """Signs access tokens with a key of its own and hands out its JWK Set."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self.settings = Settings(database_url="postgresql:///none", port=0)

    async def keys(self, _: Settings) -> Any:
        return KeySet([self.key]).as_dict(private=False)

    def authenticator(self) -> Authenticator:
        return Authenticator(self.settings, self.keys)

    def token(self, tenant: str, scopes: str = ALL_SCOPES, *, typ: str = "at+jwt", **claims: Any) -> str:
        now = int(time.time())
        return jwt.encode(
            {"alg": "ES256", "typ": typ, "kid": self.key.kid},
            {
                "iss": self.settings.issuer_url,
                "aud": self.settings.audience,
                "sub": "test",
                "client_id": "test",
                "jti": str(new_id()),
                "iat": now,
                "exp": now + 600,
                "scope": scopes,
                "tenant": tenant,
                **claims,
            },
            self.key,
        )


@asynccontextmanager
async def serving(
    service: Service, database_url: str, issuer: Issuer, folder: Path | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that speaks to the service's application directly. What is attached is kept in the folder."""
    keeps = folder is not None and issubclass(service.settings, AttachmentSettings)
    stores: dict[str, Any] = {"attachments_folder": folder} if keeps else {}
    settings = service.settings(database_url=database_url, port=0, pool_size=5, **stores)
    context = context_for(service, settings, issuer.authenticator())
    transport = httpx.ASGITransport(app=api_of(service).create(context))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{service.name}") as client:
        yield client
    await context.close()


@dataclass(frozen=True)
class Tenant:
    """Speaks to the service as one tenant, with all scopes but the ones in `without`."""

    client: httpx.AsyncClient
    issuer: Issuer
    name: str
    scopes: str = ALL_SCOPES
    subject: str = "test"
    """Of its tokens: the client's, or a person's."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Further claims of its tokens."""

    def without(self, scope: str) -> "Tenant":
        return replace(self, scopes=self.scopes.replace(scope, ""))

    async def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers={**self._authorized(), **headers})

    async def send(self, path: str, content: bytes, media_type: str = "text/plain", **headers: str) -> httpx.Response:
        """Sends a file."""
        kind = {"Content-Type": media_type}
        return await self.client.post(path, content=content, headers={**self._authorized(), **kind, **headers})

    async def get(self, path: str, **query: str | int | Sequence[str]) -> httpx.Response:
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
        # The same one within a minute, as a client sends it: to sign and to verify it takes longer than many a request.
        minute = int(time.time()) // 60
        key = (self.issuer, minute, self.name, self.scopes, self.subject, repr(self.claims))
        if key not in _SENT:
            _SENT[key] = self.issuer.token(self.name, self.scopes, sub=self.subject, **self.claims)
        return {"Authorization": f"Bearer {_SENT[key]}"}


_SENT: dict[tuple[object, ...], str] = {}
