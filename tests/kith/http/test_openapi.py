"""The OpenAPI documents say all of what the services answer, and generate clients; `/docs` shows them offline."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

import analytics.service
import contacts.service
import sales.service
import service_desk.service
from kith.runtime.service import Service

SERVICES = [each.service.SERVICE for each in (contacts, sales, service_desk, analytics)]
FILES = (":export", "/faults", "/content", "/document", "/personal-data/{noun}/{id}")
"""How the paths end of what is answered by a file."""
EXPORTED_AS = ("application/x-ndjson", "text/plain", "text/csv")
NAME_IN_THE_BODY = ("/v1/dead-letters:replay", "/v1/metrics:query", "/v1/consents:check")
ALWAYS = {"401", "403", "422", "429", "500", "503"}


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
async def client(
    request: pytest.FixtureRequest, serve: Callable[[Service], Awaitable[httpx.AsyncClient]]
) -> httpx.AsyncClient:
    return await serve(request.param)


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


def parameters(document: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    shared = document["components"]["parameters"]
    return [shared.get(each.get("$ref", "").rpartition("/")[2], each) for each in operation.get("parameters", ())]


def test_what_several_operations_take_is_written_once(document: dict[str, Any]) -> None:
    own = [
        (each["name"], each["in"])
        for _, _, operation in operations(document)
        for each in operation.get("parameters", ())
        if "$ref" not in each and "." in each["name"]
    ]
    assert max(Counter(own).values(), default=1) == 1
    for path, _, operation in operations(document):
        names = [each["name"] for each in parameters(document, operation)]
        assert len(names) == len({*names}), path


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_it_says_whose_it_is_and_where(document: dict[str, Any]) -> None:
    assert document["info"]["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    assert document["info"]["contact"]
    assert document["info"]["description"]
    assert document["servers"]


def test_every_operation_has_words_a_name_of_its_own_and_a_tag_with_words(document: dict[str, Any]) -> None:
    tags = {each["name"]: each["description"] for each in document["tags"]}
    assert all(words.endswith(".") and "(" not in words for words in tags.values()), tags
    used = set()
    for path, method, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        (tag,) = operation["tags"]
        used.add(tag)
    assert used == set(tags)
    assert max(Counter(each["operationId"] for *_, each in operations(document)).values()) == 1


def test_every_operation_says_each_way_in_which_it_may_fail_and_no_other(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        statuses = set(operation["responses"])
        assert statuses >= ALWAYS, (method, path)
        names_something = "{" in path or path in NAME_IN_THE_BODY
        assert ("404" in statuses) == names_something, (method, path)
        assert ({"413", "415"} <= statuses) == (method in ("post", "put")), (method, path)
        headers = {each["name"] for each in parameters(document, operation) if each["in"] == "header"}
        assert ("412" in statuses) == ("if-match" in headers), (method, path)
        if method in ("post", "put"):
            assert ("409" in statuses) == (not path.endswith(":bulk")), (method, path)


def test_every_problem_is_one(document: dict[str, Any]) -> None:
    for name, response in document["components"]["responses"].items():
        assert list(response["content"]) == ["application/problem+json"], name
        assert response["description"]
    used = re.findall(r"#/components/(\w+)/([\w.-]+)", str(document))
    for kind in ("responses", "headers", "schemas", "parameters"):
        there, named = set(document["components"][kind]), {name for each, name in used if each == kind}
        assert named == there, there ^ named


def test_an_answer_is_of_a_kind_that_clients_are_generated_for(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            for kind in response.get("content", {}):
                is_json = kind == "application/json" or kind.endswith("+json")
                assert is_json or path.endswith(FILES), (method, path, status)
        if path.endswith(":export"):
            lines = operation["responses"]["200"]["content"]
            assert lines == {kind: {"schema": {"type": "string"}} for kind in EXPORTED_AS}
        if path.endswith(":bulk"):
            rows = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["rows"]["items"]
            assert [list(each) for each in rows.get("anyOf", [rows])] == [["$ref"]] * len(rows.get("anyOf", [rows]))


def test_what_may_be_left_out_is_not_sent_by_generated_clients(document: dict[str, Any]) -> None:
    # They take a field that has a default for one that is always there.
    named = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, each in schema.get("properties", {}).items()
        if "default" in each and each["default"] is None
    ]
    assert named == []


async def test_an_export_comes_as_text_to_whom_asks_for_text(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], mine: dict[str, str]
) -> None:
    client = await serve(sales.service.SERVICE)
    for accept, kind in (("text/plain", "text/plain; charset=utf-8"), ("*/*", "application/x-ndjson")):
        answer = await client.get("/v1/orders:export", headers={**mine, "Accept": accept})
        assert (answer.headers["content-type"], answer.text) == (kind, '{"end":{"rows":0}}\n')


async def test_the_page_loads_everything_from_the_service_itself(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    assert not re.search(r"<script>|onload|https?:", page.text)
    for path in loaded:
        answer = await client.get(f"/{path}")
        assert (answer.status_code, len(answer.content) > 50) == (200, True), path
    assert "openapi.json" in (await client.get("/docs/start.js")).text
