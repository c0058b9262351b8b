"""A tiny OAuth 2.0 issuer for one machine: client credentials in, RFC 9068 access tokens out, of the client itself or
of a person that it names. Loopback only.

In production any OpenID Connect provider stands here: the services know only its
discovery document, its keys and the claims.
"""

import base64
import binascii
import hmac
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from kith.http.scopes import NARROW_SCOPES, SCOPES
from kith_local.issuer_files import ClientCredentials

AUDIENCE = "kith"
LIFETIME = 12 * 60 * 60
TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
MOST_BYTES = 16_384


class OAuthError(Exception):
    """An answer after RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Issuer:
    url: str
    key: ECKey
    client: ClientCredentials

    def app(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/.well-known/jwks.json", self.jwks),
                Route("/token", self.token, methods=["POST"]),
                Route("/livez", _alive),
            ],
            exception_handlers={OAuthError: _refusal},
        )
        app.router.redirect_slashes = False  # the redirect would name whatever Host the request says
        return app

    async def discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/.well-known/jwks.json",
                "token_endpoint": f"{self.url}/token",
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "scopes_supported": [*SCOPES, *NARROW_SCOPES],
            }
        )

    async def jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def token(self, request: Request) -> Response:
        form = await _form(request)
        self._authenticate(request, form)
        if (grant := form.get("grant_type", "")) != "client_credentials":
            raise OAuthError(
                "unsupported_grant_type" if grant else "invalid_request", "grant_type must be client_credentials"
            )
        scopes, tenant = _scopes(form), _tenant(form)
        who = _person(form)
        return JSONResponse(
            {
                "access_token": self.issue(tenant=tenant, scopes=scopes, now=int(time.time()), person=who),
                "token_type": "Bearer",
                "expires_in": LIFETIME,
                "scope": " ".join(scopes),
            },
            headers={"Cache-Control": "no-store"},
        )

    def issue(
        self, *, tenant: str, scopes: tuple[str, ...], now: int, person: Mapping[str, object] | None = None
    ) -> str:
        """Returns a token of the client, or of the person with these claims."""
        header = {"alg": "ES256", "typ": "at+jwt", "kid": self.key.kid}
        claims = {
            "iss": self.url,
            "sub": self.client.client_id,
            "aud": AUDIENCE,
            "exp": now + LIFETIME,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "client_id": self.client.client_id,
            "scope": " ".join(scopes),
            "tenant": tenant,
            **(person or {}),
        }
        return jwt.encode(header, claims, self.key)

    def _authenticate(self, request: Request, form: Mapping[str, str]) -> None:
        given = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
        expected = (self.client.client_id, self.client.client_secret)
        # Both are compared, in constant time: the answer does not disclose which one was wrong.
        right = [hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, expected, strict=True)]
        if not all(right):
            raise OAuthError("invalid_client", "unknown client or wrong secret", status=401)


def _scopes(form: Mapping[str, str]) -> tuple[str, ...]:
    requested = tuple(dict.fromkeys(form.get("scope", "").split())) or SCOPES
    known = (*SCOPES, *NARROW_SCOPES)
    if unknown := [scope for scope in requested if scope not in known]:
        raise OAuthError("invalid_scope", f"unknown: {' '.join(unknown)}; known: {' '.join(known)}")
    return requested


def _person(form: Mapping[str, str]) -> Mapping[str, object]:
    """Returns the claims of the person whom the token is to stand for: `subject`, and perhaps `email`. There is nobody
    to log in here, so the client, which may do all, says who it is."""
    if not (subject := form.get("subject", "")):
        return {}
    email = form.get("email", "")
    return {"sub": subject} | ({"email": email, "email_verified": True} if email else {})


def _tenant(form: Mapping[str, str]) -> str:
    tenant = form.get("tenant", "")
    if not TENANT.fullmatch(tenant):
        raise OAuthError("invalid_request", f"tenant must match ^{TENANT.pattern}$")
    return tenant


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise OAuthError("invalid_request", "the request is too long", status=413)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=20)
    except ValueError:
        raise OAuthError("invalid_request", "the body must be application/x-www-form-urlencoded") from None
    if repeated := [name for name, values in fields.items() if len(values) > 1]:
        raise OAuthError("invalid_request", f"given more than once: {', '.join(repeated)}")
    return {name: values[0] for name, values in fields.items()}


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ("", "")
    return unquote_plus(client_id), unquote_plus(secret)


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, OAuthError)
    headers = {"Cache-Control": "no-store"}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="kith"'
    return JSONResponse(
        {"error": error.error, "error_description": error.description}, status_code=error.status, headers=headers
    )
