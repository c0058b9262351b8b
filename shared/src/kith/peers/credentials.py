"""How a worker gets in: OAuth 2.0 client credentials (RFC 6749, section 4.4), with a parameter that names the tenant.

The issuer decides whether this client may act for it, and says so in the token's claim, which is all that the services
look at. It is looked at here too: an issuer that does not know the parameter may answer a token for another.
"""

import json
import time
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote_plus

import httpx
from joserfc.jws import extract_compact

BUSY = frozenset({408, 425, 429, 502, 503, 504})
"""What is answered for now, and is worth another try."""
_MOST_KEPT = 1000


class NoToken(Exception):
    """The issuer gave none. The message says what it answered."""

    loggable = True

    def __init__(self, words: str, *, passes: bool) -> None:
        super().__init__(words)
        self.passes = passes
        """Whether it may give one later."""


class Credentials(Protocol):
    """Of kith.runtime.settings and kith.peers.settings."""

    @property
    def issuer_url(self) -> str: ...
    @property
    def tenant_claim(self) -> str: ...
    @property
    def tenant_parameter(self) -> str: ...
    @property
    def token_url(self) -> Any: ...
    @property
    def client_file(self) -> Any: ...


class _Granted(NamedTuple):
    token: str
    until: float


class ClientCredentials:
    """Tokens with these scopes, for one tenant each. One is used again for half of the time that it is good for."""

    def __init__(self, settings: Credentials, scopes: str) -> None:
        self._settings = settings
        self._scopes = scopes
        self._granted: dict[str, _Granted] = {}

    async def token(self, tenant: str) -> str:
        """Raises NoToken, and httpx.TransportError."""
        known = self._granted.get(tenant)
        if known is None or known.until < time.monotonic():
            if len(self._granted) >= _MOST_KEPT:
                self._granted.clear()
            known = self._granted[tenant] = await self._grant(tenant)
        return known.token

    def forget(self, tenant: str) -> None:
        """One that was not taken is not used again."""
        self._granted.pop(tenant, None)

    async def _grant(self, tenant: str) -> _Granted:
        settings = self._settings
        client = json.loads(settings.client_file.read_text())
        # Both are encoded before, says section 2.3.1.
        basic = httpx.BasicAuth(quote_plus(client["client_id"]), quote_plus(client["client_secret"]))
        form = {"grant_type": "client_credentials", "scope": self._scopes, settings.tenant_parameter: tenant}
        async with httpx.AsyncClient(timeout=10) as http:
            url = settings.token_url or await self._discovered(http)
            answer = await http.post(str(url), data=form, auth=basic)
        if answer.status_code != httpx.codes.OK:
            raise NoToken(f"The issuer answered {answer.status_code} for a token.", passes=answer.status_code in BUSY)
        given = answer.json()
        token = str(given["access_token"])
        if claim_of(token, settings.tenant_claim) != tenant:
            raise NoToken(f"The issuer gave a token that is not for the tenant {tenant}.", passes=False)
        return _Granted(token, time.monotonic() + float(given.get("expires_in", 0)) / 2)

    async def _discovered(self, http: httpx.AsyncClient) -> str:
        found = await http.get(f"{self._settings.issuer_url}/.well-known/openid-configuration")
        if found.status_code != httpx.codes.OK:
            raise NoToken(f"The issuer's discovery document answered {found.status_code}.", passes=True)
        return str(found.json()["token_endpoint"])


def claim_of(token: str, name: str) -> Any:
    """Not verified: the services do that."""
    return json.loads(extract_compact(token.encode()).payload).get(name)
