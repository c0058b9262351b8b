"""The gateway over a subgraph that only records its requests."""

import base64
import contextlib
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from tests.conftest import take_port
from tests.federation.conftest import Gateway, Start, Subgraph, fake_subgraph, key_server, key_set, serving
from tests.subscriber import connected
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from kith.error_codes import ErrorCode
from kith.testing import Issuer
from kith_local.layout import GATEWAY
from kith_local.node import node

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NAME = '{ customer(id: "1") { name } }'


@pytest.fixture(scope="module")
def contacts() -> Iterator[tuple[type[Subgraph], int]]:
    handler = fake_subgraph()
    with serving(handler) as port:
        yield handler, port


@pytest.fixture(scope="module")
def running(start_gateway: Start, contacts: tuple[type[Subgraph], int]) -> Gateway:
    return start_gateway(KITH_PORT_CONTACTS=contacts[1], KITH_PORT_SALES=1)


@pytest.fixture
def subgraph(contacts: tuple[type[Subgraph], int]) -> type[Subgraph]:
    handler = contacts[0]
    handler.answer, handler.more = fake_subgraph().answer, {}
    handler.requests.clear()
    return handler


@pytest.fixture
def gateway(running: Gateway, subgraph: type[Subgraph]) -> Gateway:
    return running


def test_it_asks_where_the_environment_says_and_hands_on_who_asks(gateway: Gateway, subgraph: type[Subgraph]) -> None:
    headers = {"authorization": f"Bearer {gateway.token}", "traceparent": TRACE}
    answer = gateway.client.post("/graphql", json={"query": NAME}, headers=headers)
    assert answer.json() == {"data": {"customer": {"name": "Ada"}}}
    received, _ = subgraph.requests[-1]
    assert (received["authorization"], received["traceparent"]) == (headers["authorization"], TRACE)
    assert gateway.client.get("/livez").status_code == 200


def test_it_hands_on_what_is_waited_for_and_back_what_was_reached(gateway: Gateway, subgraph: type[Subgraph]) -> None:
    position = "sales@2026-05-01T12:00:00Z"
    subgraph.more = {"Kith-Reached": "contacts=no", "Kith-Position": position}
    headers = {"authorization": f"Bearer {gateway.token}"}
    for sent, more in (
        ({"extensions": {"waitFor": position}}, {}),
        ({}, {"Kith-Wait-For": position}),
    ):
        answer = gateway.client.post("/graphql", json={"query": NAME, **sent}, headers=headers | more)
        received, _ = subgraph.requests[-1]
        assert received["kith-wait-for"] == position
        assert answer.json()["extensions"] == {"positions": [position], "reached": {"contacts": False}}
        assert (answer.headers["kith-reached"], answer.headers["kith-position"]) == ("contacts=no", position)
    for nonsense in (7, ["a"], "a\r\nx: y", "\u0000"):
        body = {"query": NAME, "extensions": {"waitFor": nonsense}}
        assert gateway.client.post("/graphql", json=body, headers=headers).status_code == 200
        received, _ = subgraph.requests[-1]
        assert "x" not in received
        assert received.get("kith-wait-for") in (None, "7", "a")
    subgraph.more = {}
    assert "extensions" not in gateway.ask(NAME).json()


def forged(gateway: Gateway, issuer: Issuer) -> dict[str, str]:
    """Tokens of another issuer, or for another audience, or not valid now."""
    now, good = int(time.time()), gateway.token
    head, body, _ = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    stranger = Issuer()
    by_secret = jwt.encode(
        {"alg": "HS256", "typ": "at+jwt"},
        {"sub": "x", "exp": now + 60},
        OctKey.import_key("what everybody knows"),
        algorithms=["HS256"],
    )
    return {
        "nonsense": "nonsense",
        "without a signature": f"{unsigned}.{body}.",
        "with another's signature": f"{head}.{body}.{stranger.token('t-x').split('.')[2]}",
        "of another issuer's key": stranger.token("t-x"),
        "signed by a secret": by_secret,
        "expired": issuer.token("t-x", exp=now - 60),
        "without an end": issuer.token("t-x", exp=None),
        "of another issuer": issuer.token("t-x", iss="https://elsewhere.example"),
        "for another audience": issuer.token("t-x", aud="elsewhere"),
        "no access token": issuer.token("t-x", typ="JWT"),
        "of no tenant": issuer.token("../"),
    }


def test_only_an_access_token_of_the_issuer_lets_in(gateway: Gateway, subgraph: type[Subgraph], issuer: Issuer) -> None:
    for kind, token in forged(gateway, issuer).items():
        answer = gateway.ask(NAME, token)
        assert answer.status_code == 401, kind
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["errors"][0]["extensions"]["code"] == "unauthenticated", kind
        assert token not in answer.text
    assert not subgraph.requests
    assert gateway.ask(NAME).status_code == 200


def test_who_asks_without_a_token_is_refused_in_the_form_they_accept(gateway: Gateway) -> None:
    for accept, kind in (
        ("*/*", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("application/problem+json", "application/problem+json"),
    ):
        answer = gateway.client.post("/graphql", json={"query": NAME}, headers={"accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (401, f"{kind}; charset=utf-8")
    assert answer.json()["type"] == "urn:kith:problem:unauthenticated"
    introspection = gateway.client.get("/graphql", params={"query": "{ __schema { queryType { name } } }"})
    assert introspection.status_code == 401


def test_the_token_is_looked_at_before_anything_of_the_body_is_read(gateway: Gateway) -> None:
    announced = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    assert raw(gateway, announced).startswith(b"HTTP/1.1 401 ")


def test_without_the_issuers_keys_it_is_not_available_and_with_them_it_is(start_gateway: Start, issuer: Issuer) -> None:
    port = take_port()
    gateway = start_gateway(KITH_JWKS_URL=f"http://127.0.0.1:{port}")
    answer = gateway.ask("{ __typename }")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["errors"][0]["extensions"]["code"] == "unavailable"
    with key_server(issuer, port=port):
        assert eventually(lambda: gateway.ask("{ __typename }").status_code == 200)


def test_a_key_that_the_issuer_has_published_since_is_fetched(start_gateway: Start, issuer: Issuer) -> None:
    later = Issuer()
    with key_server(issuer) as (port, published):
        gateway = start_gateway(KITH_JWKS_URL=f"http://127.0.0.1:{port}")
        assert gateway.ask("{ __typename }").status_code == 200
        assert gateway.ask("{ __typename }", later.token("t-x")).status_code == 401
        published.found = key_set(issuer, later)
        assert eventually(lambda: gateway.ask("{ __typename }", later.token("t-x")).status_code == 200)
        assert gateway.ask("{ __typename }").status_code == 200, "the one before is still published"


FIVE_MINUTES_OF_KEYS = """
    import { Tokens } from '%s';
    const { tokens: [old, recent], sets, settings } = JSON.parse(process.argv[1]);
    let [passed, published] = [0, sets[0]];
    const [now, wall] = [performance.now.bind(performance), Date.now];
    performance.now = () => now() + passed;
    Date.now = () => wall() + passed;
    const tokens = new Tokens(settings, async () => published);
    await tokens.check(`Bearer ${recent}`);
    published = sets[1];
    passed = 299_000;
    await tokens.check(`Bearer ${old}`);  // seen late: it is not trusted longer for that
    passed = 301_000;
    await tokens.check(`Bearer ${old}`).then(() => console.log('trusted'), (refusal) => console.log(refusal.status));
    await tokens.check(`Bearer ${recent}`);
"""


def test_a_key_that_the_issuer_withdraws_is_refused_within_five_minutes() -> None:
    old, recent = Issuer(), Issuer()
    given = {
        "tokens": [each.token("t-x", exp=int(time.time()) + 9999) for each in (old, recent)],
        "sets": [json.loads(key_set(old, recent)), json.loads(key_set(recent))],
        "settings": {"issuer": old.settings.issuer_url, "audience": "kith", "tenantClaim": "tenant"},
    }
    script = FIVE_MINUTES_OF_KEYS % (GATEWAY / "tokens.mjs").as_uri()
    command = (node(), "--input-type=module", "--eval", script, json.dumps(given))
    assert subprocess.check_output(command, text=True) == "401\n"


def test_a_subgraph_that_refuses_the_whole_request_is_heard(gateway: Gateway, subgraph: type[Subgraph]) -> None:
    problem = {"type": "urn:kith:problem:forbidden", "status": 403, "detail": "This needs the scope contacts:read."}
    subgraph.answer = (403, "application/problem+json", problem)
    (error,) = gateway.ask(NAME).json()["errors"]
    assert (error["message"], error["path"]) == ("This needs the scope contacts:read.", ["customer"])
    assert error["extensions"] == {"code": "forbidden", "problem": problem, "service": "contacts"}


def test_who_asks_too_much_of_a_subgraph_hears_when_to_come_again(gateway: Gateway, subgraph: type[Subgraph]) -> None:
    problem = {"type": "urn:kith:problem:too-many-requests", "status": 429, "detail": "Slower."}
    subgraph.answer, subgraph.more = (429, "application/problem+json", problem), {"retry-after": "7"}
    answer = gateway.ask(NAME)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    (error,) = answer.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryAfter"]) == ("too-many-requests", 7)


def test_a_dead_subgraph_is_named_with_what_is_missing_and_the_rest_comes(
    gateway: Gateway, subgraph: type[Subgraph]
) -> None:
    subgraph.answer = (
        200,
        "application/json",
        {"data": {"customer": {"__typename": "Customer", "id": "1", "name": "Ada"}}},
    )
    answer = gateway.ask('{ customer(id: "1") { name sales } }')
    assert (answer.status_code, answer.headers["retry-after"]) == (200, "1")
    assert answer.json()["data"] == {"customer": {"name": "Ada", "sales": None}}
    (error,) = answer.json()["errors"]
    assert (error["path"], error["message"]) == (["customer", "sales"], "sales does not answer now; try again.")
    assert error["extensions"] == {"code": "unavailable", "service": "sales", "retryAfter": 1}


def test_what_one_field_is_refused_for_is_no_internal_error_with_another_beside_it(
    gateway: Gateway, subgraph: type[Subgraph]
) -> None:
    page = "customers(first: %d) { nodes { name } }"
    document = f"{{ few: {page % 1} ...More }} fragment More on Query {{ many: {page % 2} }}"
    for number, alias in enumerate(("few", "many")):
        path = [f"_v{number}_customers", "nodes"]
        refused = {"message": "There is no page.", "path": path, "extensions": {"code": "not-found"}}
        subgraph.answer = (200, "application/json", {"data": None, "errors": [refused]})
        (error,) = gateway.ask(document).json()["errors"]
        assert (error["message"], error["path"]) == ("There is no page.", [alias, "nodes"])
        assert error["extensions"] == {"code": "not-found", "service": "contacts"}


@pytest.mark.parametrize(
    "answer",
    [
        (500, "text/plain", "a traceback"),
        (200, "text/html", "<html>"),
        (200, "application/json", {}),
        (502, "text/html", ""),
    ],
)
def test_what_is_no_answer_of_a_subgraph_is_not_shown(
    gateway: Gateway, subgraph: type[Subgraph], answer: tuple[int, str, object]
) -> None:
    subgraph.answer = answer
    shown = gateway.ask(NAME)
    assert shown.status_code == 503
    assert shown.json()["errors"][0]["message"] == "contacts does not answer now; try again."
    assert shown.json()["errors"][0]["extensions"]["code"] == "unavailable"


def test_a_subgraph_that_takes_too_long_is_not_waited_for(start_gateway: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gateway = start_gateway(KITH_PORT_CONTACTS=silent.getsockname()[1], KITH_GATEWAY_UPSTREAM_SECONDS=0.3)
        answer = gateway.ask(NAME)
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["extensions"]["service"] == "contacts"


def test_whatever_is_wrong_has_a_code(gateway: Gateway, subgraph: type[Subgraph]) -> None:
    broken = {"data": {"customer": {"name": None}}}  # which may not be null
    subgraph.answer = (200, "application/json", broken)
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("{ custome }", {}, "invalid-query"),
        ("{ customer", {}, "invalid-query"),
        ("query ($id: ID!) { customer(id: $id) { name } }", {"id": {}}, "invalid-query"),
        ("query A { __typename } query B { __typename }", {}, "bad-request"),
        (NAME, {}, "internal"),
    ]
    for query, variables, code in refused:
        (error,) = gateway.ask(query, **variables).json()["errors"]
        assert error["extensions"]["code"] == code, query


def test_an_internal_error_is_found_in_the_log_by_the_id_in_its_answer(
    gateway: Gateway, subgraph: type[Subgraph]
) -> None:
    subgraph.answer = (200, "application/json", {"data": {"customer": {"name": None}}})  # which may not be null
    problem = gateway.ask(NAME).json()["errors"][0]["extensions"]["problem"]
    assert problem["status"] == 500
    assert problem["instance"].removeprefix("urn:uuid:") in gateway.logged()


def test_the_codes_are_the_same_as_in_the_services() -> None:
    codes = set(ErrorCode)
    for module in GATEWAY.glob("*.mjs"):
        used = re.findall(r"Refusal\(\s*\d+,\s*'([a-z-]+)'|\bcode: '([a-z-]+)'", module.read_text())
        assert {code or other for code, other in used} <= codes, module.name


def test_the_cost_is_reported(gateway: Gateway) -> None:
    assert gateway.ask(NAME).headers["kith-query-cost"] == "1"
    answer = gateway.ask("query ($n: Int!) { customers(first: $n) { nodes { friends(first: $n) { name } } } }", n=500)
    assert answer.json()["extensions"]["cost"] == {"requested": 250_501, "limit": 20_000}
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "query-too-costly"
    assert "data" not in answer.json()


def test_a_mutation_is_sent_by_post_and_as_json_only(gateway: Gateway, subgraph: type[Subgraph]) -> None:
    subgraph.answer = (200, "application/json", {"data": {"rename": {"name": "Bob"}}})
    mutation, authorized = (
        'mutation { rename(id: "1", name: "Bob") { name } }',
        {"authorization": f"Bearer {gateway.token}"},
    )
    assert gateway.ask(mutation).json() == {"data": {"rename": {"name": "Bob"}}}
    subgraph.requests.clear()
    by_get = gateway.client.get("/graphql", params={"query": mutation}, headers=authorized)
    assert (by_get.status_code, by_get.headers["allow"]) == (405, "POST")
    for kind in (
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/graphql",
    ):
        body = urlencode({"query": mutation}) if "form" in kind else mutation
        refused = gateway.client.post("/graphql", content=body, headers={**authorized, "content-type": kind})
        assert refused.status_code == 415, kind
    without = gateway.client.post("/graphql", content=json.dumps({"query": mutation}), headers=authorized)
    assert without.status_code == 415
    assert not subgraph.requests


def test_methods(gateway: Gateway) -> None:
    authorized = {"authorization": f"Bearer {gateway.token}"}
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        answer = gateway.client.request(method, "/graphql", headers=authorized)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS"), method
    assert gateway.client.options("/graphql").headers["allow"] == "GET, HEAD, POST, OPTIONS"
    got = gateway.client.get("/graphql", params={"query": NAME}, headers=authorized)
    head = gateway.client.head("/graphql", params={"query": NAME}, headers=authorized)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(got.content)))
    assert gateway.client.get("/elsewhere").status_code == 404
    assert gateway.client.post("/livez").status_code == 405


def test_what_is_no_request_is_refused_by_name(gateway: Gateway) -> None:
    authorized = {"authorization": f"Bearer {gateway.token}", "content-type": "application/json"}
    for body, words in (
        (b"{", "The body is not JSON."),
        (b"\xff", "The body is not UTF-8."),
        (b"null", "A request is an object with a query."),
        (b"[]", "Send one operation a request: there is no batching."),
        (b"{}", "query is missing."),
        (b'{"query": 1}', "query is a text."),
        (b'{"query": "{ __typename }", "variables": []}', "variables is an object."),
        (
            b'{"query": "{ __typename }", "more": 1}',
            "A request has query, variables, operationName, extensions, and nothing else.",
        ),
    ):
        answer = gateway.client.post("/graphql", content=body, headers=authorized)
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, words)
    twice = gateway.client.get("/graphql?query={__typename}&query={__typename}", headers=authorized)
    assert twice.json()["errors"][0]["message"] == "query is there twice."
    packed = gateway.client.post("/graphql", content=b"", headers={**authorized, "content-encoding": "gzip"})
    assert packed.status_code == 415


def test_other_origins_may_read_what_the_setting_allows_and_no_more(gateway: Gateway, start_gateway: Start) -> None:
    ours, other = "https://app.example", "https://elsewhere.example"
    open_to_ours = start_gateway(KITH_CORS_ORIGINS=f"{ours}, http://localhost:5173")
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    allowed = open_to_ours.client.options("/graphql", headers={"origin": ours, **asks})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == ours
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    assert "Origin" in allowed.headers["vary"]
    assert "access-control-allow-credentials" not in allowed.headers
    for one, origin in ((open_to_ours, other), (open_to_ours, "null"), (gateway, ours), (gateway, other)):
        for answer in (
            one.client.options("/graphql", headers={"origin": origin, **asks}),
            one.client.post("/graphql", json={}, headers={"origin": origin}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_page_elsewhere_opens_no_websocket(gateway: Gateway, start_gateway: Start) -> None:
    ours = "https://app.example"
    open_to_ours = start_gateway(KITH_CORS_ORIGINS=ours)
    for one, origin, status in (
        (gateway, None, 101),
        (gateway, f"http://127.0.0.1:{gateway.port}", 101),
        (gateway, ours, 403),
        (gateway, "null", 403),
        (open_to_ours, ours, 101),
        (open_to_ours, "https://elsewhere.example", 403),
    ):
        assert await handshake(one, origin) == status, origin


async def handshake(gateway: Gateway, origin: str | None) -> int:
    url = f"ws://127.0.0.1:{gateway.port}/graphql"
    try:
        async with connect(
            url, subprotocols=[Subprotocol("graphql-transport-ws")], origin=Origin(origin) if origin else None
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_what_a_request_says_of_our_name_is_not_repeated(gateway: Gateway) -> None:
    for path in ("/graphql/", "/livez/", "//evil.example/graphql", "/graphql/../graphql", "http://evil.example/x"):
        answer = raw(gateway, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())
        assert b"evil.example" not in answer
        assert not answer.startswith(b"HTTP/1.1 3")


@pytest.mark.parametrize(
    "more",
    [
        "Host: elsewhere",
        "Authorization: Bearer x",
        "Content-Type: text/plain",
        "Origin: https://a.example\r\nOrigin: https://b.example",
        "Transfer-Encoding: gzip, chunked",
    ],
)
def test_of_headers_of_which_there_may_be_one_none_is_chosen(gateway: Gateway, more: str) -> None:
    head = f"Host: x\r\nAuthorization: Bearer {gateway.token}\r\nContent-Type: application/json\r\n"
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    for sent in (
        f"GET /graphql?query={{__typename}} HTTP/1.1\r\n{head}{more}\r\n\r\n",
        f"GET /graphql HTTP/1.1\r\n{head}{upgrade}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n\r\n",
    ):
        assert raw(gateway, sent.encode()).startswith(b"HTTP/1.1 400 ")


def test_a_key_that_is_there_twice_is_not_guessed(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.token}", "content-type": "application/json"}
    query = '"query": "query ($n: ID!) { customer(id: $n) { name } }"'
    for body in (
        f'{{{query}, "variables": {{"n": "1", "n": "2"}}}}',
        f'{{{query}, "variables": {{"n": "1", "\\u006e": "2"}}}}',
        f'{{{query}, "variables": {{"n": "1"}}, "variables": {{"n": "2"}}}}',
    ):
        answer = gateway.client.post("/graphql", content=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "The body has a key twice.")
    twice = {"query": NAME, "variables": '{"a": {"b": 1}, "a": 1}'}
    answer = gateway.client.get("/graphql", params=twice, headers=headers)
    assert answer.json()["errors"][0]["message"] == "variables has a key twice."
    apart = f'{{{query}, "variables": {{"n": "\\"n\\": {{", "more": [{{"n": 1}}, {{"n": 1}}, {{}}]}}}}'
    assert gateway.client.post("/graphql", content=apart, headers=headers).json()["data"] == {
        "customer": {"name": "Ada"}
    }


async def test_nor_is_one_of_a_message_nor_who_asks_by_a_list(gateway: Gateway) -> None:
    for init, code in (
        (f'{{"type": "connection_init", "payload": {{"authorization": ["Bearer {gateway.token}"]}}}}', 4403),
        (f'{{"type": "x", "type": "connection_init", "payload": {{"authorization": "Bearer {gateway.token}"}}}}', 4400),
    ):
        async with connected(gateway.port) as client:
            await client.socket.send(init)
            assert (await client.closed())[0] == code


def test_a_token_has_one_spelling(gateway: Gateway) -> None:
    # What the last letter of a signature of 64 bytes holds beyond them is skipped by decoders.
    other = gateway.token[:-1] + chr(ord(gateway.token[-1]) + 1)
    for given in (
        f"Bearer {other}",
        f"Bearer  {gateway.token}",
        f"Bearer\t{gateway.token}",
        f"Bearer {gateway.token}=",
    ):
        answer = gateway.client.get("/graphql", params={"query": NAME}, headers={"authorization": given})
        assert answer.status_code == 401, given


def test_an_offer_of_another_protocol_is_declined(gateway: Gateway) -> None:
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQAAP__"}
    headers = {"authorization": f"Bearer {gateway.token}", **offer}
    for answer in (
        gateway.client.get("/graphql", params={"query": NAME}, headers=headers),
        gateway.client.post("/graphql", json={"query": NAME}, headers=headers),
    ):
        assert answer.json() == {"data": {"customer": {"name": "Ada"}}}


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("KITH_GRAPHQL_COST", "0x10", "no positive number"),
        ("KITH_GRAPHQL_DEPTH", "1.5", "no positive number"),
        ("KITH_LIVE_INIT_SECONDS", "1e1", "no positive number"),
        ("KITH_GATEWAY_PROCESSES", "+2", "no positive number"),
        ("KITH_METRICS_PORT", "90000", "no port"),
        ("KITH_PORT_SALES", "1/", "no port"),
        ("KITH_URL_SALES", "sales:8000", "no URL of http or https"),
        ("KITH_LOG_LEVEL", "verbose", "no word of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("KITH_LOG_JSON", "no", "no word of true, false"),
        ("KITH_CORS_ORIGINS", "https://app.example, null", "no list of origins"),
        ("KITH_CORS_ORIGINS", "https://app.example/", "no list of origins"),
    ],
)
def test_a_setting_has_one_spelling(start_gateway: Start, name: str, given: str, words: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(f"{name}={given}: that is {words}")):
        start_gateway(**{name: given})


def test_a_subgraph_may_be_on_another_machine(
    start_gateway: Start, contacts: tuple[type[Subgraph], int], subgraph: type[Subgraph]
) -> None:
    gateway = start_gateway(KITH_URL_CONTACTS=f"http://localhost:{contacts[1]}", KITH_PORT_CONTACTS=1)
    assert gateway.ask(NAME).json() == {"data": {"customer": {"name": "Ada"}}}
    received, _ = subgraph.requests[-1]
    assert received["host"] == f"localhost:{contacts[1]}"


def test_the_metrics_are_read_and_nothing_else(start_gateway: Start) -> None:
    port = take_port()
    start_gateway(KITH_METRICS_PORT=port, KITH_GATEWAY_HEADER_SECONDS=1)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for path in ("/metrics", "/livez", "/readyz"):
            assert client.get(path).status_code == client.head(path).status_code == 200
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
                refused = client.request(method, path)
                assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert client.get("/metrics", params={"a": 1}).status_code == 200
        assert client.get("/elsewhere").status_code == 404
    assert raw_at(port, b"GET /metrics HTTP/1.1\r\nX").startswith(b"HTTP/1.1 408 "), "headers that never end"


def test_headers_are_bounded_and_who_is_slow_is_let_go(start_gateway: Start) -> None:
    gateway = start_gateway(KITH_GATEWAY_HEADER_SECONDS=1, KITH_GATEWAY_REQUEST_SECONDS=2)
    many = "".join(f"X-{each}: y\r\n" for each in range(120))
    assert raw(gateway, f"GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n".encode()).startswith(b"HTTP/1.1 431 ")
    assert raw(gateway, b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000).startswith(b"HTTP/1.1 431 ")
    assert raw(gateway, b"GET /livez HTTP/1.1\r\nX").startswith(b"HTTP/1.1 408 "), "headers that never end"
    begun = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n".encode()
    slow = begun + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    assert raw(gateway, slow).startswith(b"HTTP/1.1 408 "), "a body that never ends"
    assert raw(gateway, b"").startswith(b"HTTP/1.1 408 "), "one that says nothing at all"


def test_a_client_that_has_hung_up_is_no_fault(gateway: Gateway) -> None:
    before = gateway.logged()
    begun = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n".encode()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.sendall(begun + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    assert gateway.ask(NAME).status_code == 200
    assert gateway.logged() == before


def raw(gateway: Gateway, sent: bytes) -> bytes:
    return raw_at(gateway.port, sent)


def raw_at(port: int, sent: bytes) -> bytes:
    """What comes back until it is closed, or for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(sent)
        received = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while b"\r\n\r\n" not in received and (more := client.recv(65536)):
                received += more
        return received


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 15
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def test_the_editor_comes_whole_from_here_to_anybody(gateway: Gateway) -> None:
    page = gateway.client.get("/graphql", headers={"accept": "text/html"})
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/graphiql/graphiql.js" in named
    for each in [*named, "/graphiql/editorWorkerService.js", "/graphiql/json.js", "/graphiql/graphql.js"]:
        assert each == "data:," or gateway.client.get(each).is_success, each
    policy = dict(each.split(" ", 1) for each in page.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert gateway.client.get("/graphiql/elsewhere.js").status_code == 404
    answer = gateway.client.get("/graphql", params={"query": NAME}, headers={"accept": "text/html"})
    assert answer.status_code == 401, "its queries are not for anybody"
