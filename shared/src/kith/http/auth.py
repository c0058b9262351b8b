"""Services are OAuth 2.0 resource servers: a request carries an RFC 9068 access token, signed by the issuer.

The tenant comes from the token's claim and from nowhere else in the request.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, ValidationError

from kith.db.tenancy import TENANT_PATTERN
from kith.errors import Forbidden
from kith.events import actors
from kith.http.scopes import Width, width_of
from kith.reach import EVERYONE, Reach
from kith.runtime.settings import Settings
from kith.scalars import LATEST, Real, Text, Written


class _Claims(BaseModel):
    """What of a token is kept, logged or reckoned with."""

    model_config = ConfigDict(strict=True)

    sub: Text
    scope: Annotated[str, Written(10_000)] | Literal[""] = ""
    exp: Annotated[float, Real(0, LATEST.timestamp())]


ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
LEEWAY_SECONDS = 30
_UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""Raised by what is no token: nothing has been verified yet, so it may be anything."""
_REFRESH_SECONDS = 300
_RETRY_SECONDS = 5
MOST_OF_TEAM = 5000
"""The users whose records one may reach: each statement carries their ids."""


class Unauthenticated(Exception):
    """No token, or one we cannot trust. The words say which check failed."""


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be fetched now."""

    loggable = True


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks."""

    tenant: str
    subject: str
    scopes: frozenset[str]
    expires_at: float
    """When it is nobody any more: seconds since the epoch."""
    is_client: bool = False
    """Whether it is a machine, which asks with no person behind it."""
    email: str | None = field(default=None, repr=False)
    """If the issuer says that it has verified it: another one may be anybody's."""
    user_id: UUID | None = None
    """The user that it is, as far as that was looked up: where a narrow scope needs it."""
    team: tuple[UUID, ...] = ()
    """The same, and all users of its team and of the teams within that; one more than MOST_OF_TEAM: they are too
    many."""

    @property
    def id(self) -> str:
        """Who it is in events and histories: see kith.events.actors."""
        return actors.client(self.subject) if self.is_client else actors.user(self.tenant, self.subject)

    def require(self, scope: str) -> None:
        """Raises Forbidden naming the scope. A narrow form of it is not enough: what is not one user's needs all of
        it."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}.")

    def reach(self, scope: str) -> Reach:
        """Returns whose records it reaches by the scope, or by a narrow form of it. Raises Forbidden."""
        width = width_of(scope, self.scopes)
        if width is Width.ALL:
            return EVERYONE
        if width is Width.NONE:
            raise Forbidden(f"This needs the scope {scope}.")
        if width is Width.OWN:
            return Reach(() if self.user_id is None else (self.user_id,), self.user_id)
        if len(self.team) > MOST_OF_TEAM:
            raise Forbidden(
                f"Its team and the teams within have more than {MOST_OF_TEAM} users: {scope}:team is no use."
            )
        return Reach(self.team, self.user_id)

    def sees_personal(self, service: str) -> bool:
        """Whether the personal fields of the service's nouns are shown."""
        return f"{service}:personal" in self.scopes


class Authenticator:
    """Checks tokens against the issuer's published keys, which it fetches and keeps."""

    def __init__(self, settings: Settings, fetch: "FetchKeys | None" = None) -> None:
        self._settings = settings
        self._fetch = fetch or fetch_keys
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": settings.issuer_url},
            aud={"essential": True, "value": settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._refreshing: asyncio.Task[bool] | None = None
        self._seen: dict[str, tuple[Actor, float]] = {}

    async def authenticate(self, authorization: str | None) -> Actor:
        """Raises Unauthenticated or IssuerUnavailable."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send a bearer token in the Authorization header.")
        seen = self._seen.get(token)
        if seen is not None and time.time() < seen[1]:
            return seen[0]
        actor, expires = await self._verify(token)
        if len(self._seen) >= 1000:
            self._seen.clear()
        # Trusted again without a new signature check, but never past its end, nor longer than the keys are.
        keys_last = _REFRESH_SECONDS - (time.monotonic() - self._fetched)
        self._seen[token] = (actor, min(expires, time.time() + keys_last))
        return actor

    async def _verify(self, token: str) -> tuple[Actor, float]:
        keys = await self._fresh_keys()
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        except _UNREADABLE as unknown:
            # The issuer may have a new key: look once, at most every few seconds.
            if not await self._refresh(_RETRY_SECONDS, join=True):
                raise Unauthenticated("The token's signature is not the issuer's.") from unknown
            try:
                decoded = jwt.decode(token, await self._fresh_keys(), algorithms=ALGORITHMS)
            except _UNREADABLE as wrong:
                raise Unauthenticated("The token's signature is not the issuer's.") from wrong
        if str(decoded.header.get("typ", "")).lower() not in ("at+jwt", "application/at+jwt"):
            raise Unauthenticated("It is not an access token (typ at+jwt).")
        try:
            self._claims.validate(decoded.claims)
        except _UNREADABLE as wrong:
            raise Unauthenticated(f"The token is not for us or not valid now: {wrong}") from wrong
        actor = self._actor(decoded.claims)
        return actor, actor.expires_at - LEEWAY_SECONDS

    def _actor(self, claims: Mapping[str, Any]) -> Actor:
        tenant = claims.get(self._settings.tenant_claim)
        if not isinstance(tenant, str) or not re.fullmatch(TENANT_PATTERN, tenant):
            raise Unauthenticated(f"The token's claim {self._settings.tenant_claim} does not name a tenant.")
        try:
            given = _Claims.model_validate(claims)
        except ValidationError as wrong:
            named = ", ".join(str(each["loc"][0]) for each in wrong.errors(include_url=False))
            raise Unauthenticated(f"The token has claims that cannot be: {named}.") from None
        is_client = claims.get("client_id") == given.sub  # RFC 9068, 2.2: the subject is the client if it is no person
        scopes, expires_at = frozenset(given.scope.split()), given.exp + LEEWAY_SECONDS
        return Actor(tenant, given.sub, scopes, expires_at, is_client, _verified_email(claims))

    async def _fresh_keys(self) -> KeySet:
        if self._keys is None:
            await self._refresh(0, join=True)
        elif time.monotonic() - self._fetched > _REFRESH_SECONDS:
            # One request waits for it; were the issuer slow, the others would wait for what they can do without.
            await self._refresh(_RETRY_SECONDS, join=False)
        if self._keys is None:
            raise IssuerUnavailable("The issuer's keys cannot be fetched now.")
        return self._keys

    async def _refresh(self, not_within: float, *, join: bool) -> bool:
        """Fetches the keys, if that was not tried within so many seconds; or waits for another request that fetches
        them. Returns whether there are keys that were fetched just now."""
        if self._refreshing is None:
            if time.monotonic() - self._tried < not_within:
                return False
            self._tried = time.monotonic()
            self._refreshing = asyncio.create_task(self._renew())
        elif not join:
            return False
        return await asyncio.shield(self._refreshing)  # the request may be cancelled: others wait for it too

    async def _renew(self) -> bool:
        try:
            keys = await self._fetch(self._settings)
            self._keys, self._fetched = KeySet.import_key_set(keys), time.monotonic()
        except (httpx.HTTPError, KeyError, ValueError):
            return False
        else:
            self._seen.clear()
            return True
        finally:
            self._refreshing = None


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    email = claims.get("email")
    return email if isinstance(email, str) and claims.get("email_verified") is True else None


FetchKeys = Callable[[Settings], Awaitable[Any]]
"""Returns a JWK Set. Raises httpx.HTTPError, KeyError or ValueError."""


async def fetch_keys(settings: Settings) -> Any:
    """Fetches the issuer's keys, from where its discovery document says unless the settings do. As FetchKeys."""
    async with httpx.AsyncClient(timeout=5) as client:
        url = settings.jwks_url
        if url is None:
            found = await client.get(f"{settings.issuer_url}/.well-known/openid-configuration")
            url = str(found.raise_for_status().json()["jwks_uri"])
        return (await client.get(url)).raise_for_status().json()
