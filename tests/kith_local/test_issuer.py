import asyncio
import base64
import stat
import time
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, KeySetSerialization
from tests.conftest import free_ports

from kith.http.scopes import SCOPES
from kith_local.issuer import LIFETIME, Issuer
from kith_local.issuer_files import client_in, key_in
from kith_local.issuer_server import listen

URL = "http://127.0.0.1:8005"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(url=URL, key=key_in(tmp_path), client=client_in(tmp_path))


class Partner:
    """A client of the issuer, speaking HTTP."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=issuer.app()), base_url=URL)

    async def ask(self, **fields: str) -> httpx.Response:
        client = self.issuer.client
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "tenant": "demo",
            **fields,
        }
        return await self.http.post("/token", data={name: value for name, value in form.items() if value})

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.http.get(path)
        assert answer.status_code == 200
        return dict(answer.json())

    async def keys(self) -> KeySet:
        return KeySet.import_key_set(cast("KeySetSerialization", await self.get("/.well-known/jwks.json")))

    async def post(self, content: str, **headers: str) -> httpx.Response:
        return await self.http.post("/token", content=content, headers=headers)


@pytest.fixture
def partner(issuer: Issuer) -> Partner:
    return Partner(issuer)


async def test_a_token_is_an_rfc_9068_access_token_for_kith(partner: Partner) -> None:
    answer = (await partner.ask()).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", LIFETIME)
    published = await partner.keys()
    token = jwt.decode(answer["access_token"], published, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    claims = token.claims
    assert claims["iss"] == URL
    assert claims["aud"] == "kith"
    assert claims["sub"] == claims["client_id"] == "kith-local"
    assert claims["tenant"] == "demo"
    assert claims["scope"].split() == list(SCOPES)
    assert claims["exp"] - claims["iat"] == 12 * 60 * 60
    assert abs(claims["iat"] - time.time()) < 5


async def test_a_token_of_a_person_has_its_subject_and_its_address_but_not_its_client(partner: Partner) -> None:
    published = await partner.keys()
    answer = (await partner.ask(subject="ann", email="ann@example.org")).json()
    claims = jwt.decode(answer["access_token"], published, algorithms=["ES256"]).claims
    assert (claims["sub"], claims["client_id"]) == ("ann", "kith-local")
    assert (claims["email"], claims["email_verified"]) == ("ann@example.org", True)


async def test_no_two_tokens_have_the_same_id(partner: Partner) -> None:
    published = await partner.keys()
    tokens = [(await partner.ask()).json()["access_token"] for _ in range(2)]
    assert len({jwt.decode(token, published, algorithms=["ES256"]).claims["jti"] for token in tokens}) == 2


async def test_scopes_are_narrowed_to_what_was_requested(partner: Partner) -> None:
    answer = (await partner.ask(scope="sales:read contacts:read sales:read")).json()
    assert answer["scope"] == "sales:read contacts:read"


async def test_the_discovery_document_leads_to_the_keys(partner: Partner) -> None:
    document = await partner.get("/.well-known/openid-configuration")
    assert document["issuer"] == URL
    keys = (await partner.get(document["jwks_uri"].removeprefix(URL)))["keys"]
    assert [key["alg"] for key in keys] == ["ES256"]
    assert "d" not in keys[0], "the private half stays here"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"scope": "sales:read sales:everything"}, 400, "invalid_scope"),
        ({"client_secret": "guess"}, 401, "invalid_client"),
        ({"client_id": "stranger"}, 401, "invalid_client"),
        ({"client_id": "", "client_secret": ""}, 401, "invalid_client"),
        ({"tenant": ""}, 400, "invalid_request"),
        ({"tenant": "Demo"}, 400, "invalid_request"),
        ({"tenant": "../demo"}, 400, "invalid_request"),
        ({"tenant": "demo\n"}, 400, "invalid_request"),
        ({"tenant": "a" * 64}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
    ],
)
async def test_what_is_wrong_is_said_in_the_words_of_rfc_6749(
    partner: Partner, fields: dict[str, str], status: int, error: str
) -> None:
    answer = await partner.ask(**fields)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_client_may_authenticate_in_the_header(partner: Partner) -> None:
    client = partner.issuer.client
    credentials = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode()).decode()
    form = "grant_type=client_credentials&tenant=demo"
    assert (await partner.post(form, authorization=f"Basic {credentials}")).status_code == 200
    refused = await partner.post(form, authorization="Basic !!!")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("body", ["tenant=a&tenant=b", "no form at all", "x=" + "a" * 20_000])
async def test_a_body_that_is_no_form_is_refused(partner: Partner, body: str) -> None:
    answer = await partner.post(body)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"] == "invalid_request"


def test_the_key_and_the_secret_outlive_a_restart_and_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "issuer"
    key, client = key_in(folder), client_in(folder)
    assert key_in(folder).as_dict(private=True) == key.as_dict(private=True)
    assert client_in(folder) == client
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_the_issuer_sends_nobody_to_the_host_that_a_request_names(partner: Partner) -> None:
    for path in ("/livez/", "/token/", "/.well-known/jwks.json/"):
        answer = await partner.http.get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers.get("location")) == (404, None)


async def test_the_issuer_does_not_take_headers_without_end(issuer: Issuer) -> None:
    (port,) = free_ports(1)
    stop = asyncio.Event()
    serving = asyncio.create_task(listen(issuer, port, stop))
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.01)
                else:
                    break
            writer.write(b"GET /livez HTTP/1.1\r\nhost: here\r\nx: " + b"y" * 200_000)
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
            writer.close()
    finally:
        stop.set()
        await serving
