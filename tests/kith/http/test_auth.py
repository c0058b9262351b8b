"""An actor is known by a token of the issuer's, for this audience, and by nothing else."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from kith.errors import Forbidden
from kith.events import actors
from kith.http.auth import Authenticator, IssuerUnavailable, Unauthenticated
from kith.runtime.settings import Settings
from kith.testing import Issuer


async def refused(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.authenticate(f"Bearer {token}")
    return str(refusal.value)


async def test_a_good_token_says_who_asks(issuer: Issuer) -> None:
    actor = await issuer.authenticator().authenticate(f"Bearer {issuer.token('acme', 'sales:read contacts:read')}")
    assert (actor.tenant, actor.scopes) == ("acme", frozenset({"sales:read", "contacts:read"}))
    with pytest.raises(Forbidden, match="sales:write"):
        actor.require("sales:write")


async def test_a_person_is_an_id_and_a_machine_is_its_client(issuer: Issuer) -> None:
    async def named(tenant: str, **claims: Any) -> str:
        token = issuer.token(tenant, **claims)
        return (await issuer.authenticator().authenticate(f"Bearer {token}")).id

    ann = await named("acme", sub="ann@example.com")
    assert ann == f"user:{actors.user_id('acme', 'ann@example.com')}"
    assert "ann" not in ann
    assert ann == await named("acme", sub="ann@example.com", client_id="phone")
    assert ann != await named("globex", sub="ann@example.com")
    assert await named("acme", sub="till-7", client_id="till-7") == "client:till-7"
    assert (await named("acme", sub="till-7", client_id=None)).startswith("user:")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "token"])
async def test_no_token_is_no_entry(issuer: Issuer, header: str | None) -> None:
    with pytest.raises(Unauthenticated, match="bearer token"):
        await issuer.authenticator().authenticate(header)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"nbf": int(time.time()) + 86_400},
        {"tenant": None},
        {"tenant": 7},
        {"tenant": "A; DROP"},
        {"tenant": ["acme"]},
    ],
)
async def test_a_token_that_is_not_for_us_or_not_now_is_refused(issuer: Issuer, claims: dict[str, Any]) -> None:
    good = jwt.decode(issuer.token("acme"), issuer.key)
    payload = {name: value for name, value in (good.claims | claims).items() if value is not None}
    token = jwt.encode(good.header, payload, issuer.key)
    assert await refused(issuer.authenticator(), token)


async def test_an_id_token_is_no_access_token(issuer: Issuer) -> None:
    assert "at+jwt" in await refused(issuer.authenticator(), issuer.token("acme", typ="JWT"))


async def test_another_key_of_the_same_name_is_refused(issuer: Issuer) -> None:
    forged = Issuer()
    forged.key = ECKey.generate_key("P-256", {"kid": issuer.key.kid or ""})
    assert "signature" in await refused(issuer.authenticator(), forged.token("acme"))


async def test_a_symmetric_or_missing_signature_is_refused(issuer: Issuer) -> None:
    claims = jwt.decode(issuer.token("acme"), issuer.key).claims
    secret = OctKey.import_key("the well-known name of the issuer's key")
    symmetric = jwt.encode({"alg": "HS256", "typ": "at+jwt"}, claims, secret)
    assert "signature" in await refused(issuer.authenticator(), symmetric)
    header, payload, _ = issuer.token("acme").split(".")
    assert "signature" in await refused(issuer.authenticator(), f"{header}.{payload}.")


class Published:
    """What an issuer publishes, and how often that was fetched; and the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *issuers: Issuer) -> None:
        self.issuers, self.fetched, self.passed, self.asked = issuers, 0, 0.0, asyncio.Event()
        real, wall = time.monotonic, time.time
        monkeypatch.setattr("kith.http.auth.time.monotonic", lambda: real() + self.passed)
        monkeypatch.setattr("kith.http.auth.time.time", lambda: wall() + self.passed)

    async def keys(self, _: Settings) -> Any:
        self.fetched += 1
        self.asked.set()
        found = KeySet([each.key for each in self.issuers]).as_dict(private=False)
        await asyncio.sleep(0)  # others ask meanwhile
        return found


async def test_a_new_key_of_the_issuer_is_found_at_once_by_all_who_bring_it(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Issuer(), Issuer()
    published = Published(monkeypatch, old)
    authenticator = Authenticator(issuer.settings, published.keys)
    await authenticator.authenticate(f"Bearer {old.token('acme')}")
    published.issuers, published.passed = (old, new), 6
    tokens = [each.token("acme") for each in (new, new, old, new)]
    actors = await asyncio.gather(*(authenticator.authenticate(f"Bearer {each}") for each in tokens))
    assert ([each.tenant for each in actors], published.fetched) == (["acme"] * 4, 2)


async def test_a_key_that_is_withdrawn_is_refused_within_five_minutes(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Issuer(), Issuer()
    published = Published(monkeypatch, old, new)
    authenticator, token = (
        Authenticator(issuer.settings, published.keys),
        old.token("acme", exp=int(time.time()) + 9999),
    )
    await authenticator.authenticate(f"Bearer {new.token('acme')}")
    published.issuers = (new,)
    published.passed = 299
    await authenticator.authenticate(f"Bearer {token}")  # seen late: it is not trusted longer for that
    published.passed = 301
    assert "signature" in await refused(authenticator, token)


async def test_a_request_that_is_cancelled_leaves_the_others_their_keys(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Published(monkeypatch, issuer)
    authenticator, token = Authenticator(issuer.settings, published.keys), f"Bearer {issuer.token('acme')}"
    first, second = [asyncio.create_task(authenticator.authenticate(token)) for _ in range(2)]
    await published.asked.wait()
    first.cancel()
    assert (await second).tenant == "acme"


async def test_a_flood_of_forged_tokens_does_not_reach_the_issuer(issuer: Issuer) -> None:
    fetched = 0

    async def keys(settings: Settings) -> Any:
        nonlocal fetched
        fetched += 1
        return await issuer.keys(settings)

    authenticator, forger = Authenticator(issuer.settings, keys), Issuer()
    for _ in range(20):
        await refused(authenticator, forger.token("acme"))
    assert fetched <= 2


async def test_without_the_issuers_keys_nobody_is_let_in_nor_turned_away(issuer: Issuer) -> None:
    async def keys(_: Settings) -> Any:
        raise ValueError("no answer")

    with pytest.raises(IssuerUnavailable):
        await Authenticator(issuer.settings, keys).authenticate(f"Bearer {issuer.token('acme')}")


async def test_a_token_seen_before_is_not_trusted_past_its_end(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator, token = issuer.authenticator(), issuer.token("acme")
    await authenticator.authenticate(f"Bearer {token}")
    later = time.time() + 3600
    monkeypatch.setattr("time.time", lambda: later)
    assert await refused(authenticator, token)


def written(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


HEADERS: list[object] = [None, [], "x", 7, {"alg": ["ES256"]}, {"alg": "ES256", "kid": {}}]


@pytest.mark.parametrize(
    "token",
    [
        "..",
        "a.b.c",
        "\0.\0.\0",
        "\u00e9.\u00e9.\u00e9",
        *(f"{written(header)}.e30.AA" for header in HEADERS),
        f"{written({'alg': 'ES256', 'crit': 'x', 'typ': None})}.AA.AA",
        base64.urlsafe_b64encode(b"[" * 50_000).decode() + ".AA.AA",
        "A" * 100_000 + ".AA.AA",
    ],
)
async def test_what_is_no_token_is_refused_whatever_it_is(issuer: Issuer, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await issuer.authenticator().authenticate(f"Bearer {token}")


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", ""),
        ("sub", "a\0b"),
        ("sub", ["a"]),
        ("sub", 7),
        ("sub", "x" * 501),
        ("scope", ["sales:read"]),
        ("scope", "sales:read\0"),
        ("exp", True),
        ("exp", "2100000000"),
        ("exp", 10**400),
        ("exp", 1e300),
        ("exp", []),
        ("tenant", "acme\n"),
        ("tenant", ["acme"]),
        ("nbf", "x"),
        ("iat", {}),
    ],
)
async def test_claims_that_cannot_be_are_refused(issuer: Issuer, claim: str, value: Any) -> None:
    claims = {"tenant": "acme", claim: value}
    token = issuer.token(claims.pop("tenant"), **claims)
    with pytest.raises(Unauthenticated):
        await issuer.authenticator().authenticate(f"Bearer {token}")
