"""The OpenAPI document of a service: what FastAPI derives from the routes, and what every operation has besides.

Statuses follow from what an operation is, as the edge and the commands answer them: who names a path may find nothing
there, who commands may come too late. A route that may answer another one says so itself, by `answers`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from kith.http import problems
from kith.http.answers import PROBLEM_JSON
from kith.http.bodies import BULK

Operation = dict[str, Any]

_REF = "#/components/schemas/{model}"
_ALWAYS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_OF_BODIES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_WORDS = {
    HTTPStatus.UNAUTHORIZED: "No token, or one that is not valid now",
    HTTPStatus.FORBIDDEN: "The token lacks the scope that this needs",
    HTTPStatus.NOT_FOUND: "There is no such thing, or not for this tenant",
    HTTPStatus.GONE: "It was there, and is not any more: `detail` says why",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "It has fewer bytes",
    HTTPStatus.CONFLICT: "The state of what it is about, or of the data, forbids it",
    HTTPStatus.PRECONDITION_FAILED: "Someone else changed it first: it is not at the version of If-Match",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not said to be JSON in UTF-8",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Something in the request is not accepted: `errors` names each field and its rule",
    HTTPStatus.TOO_MANY_REQUESTS: "The tenant asks for more at a time than its share",
    HTTPStatus.INTERNAL_SERVER_ERROR: "An internal error: `instance` names it in the log",
    HTTPStatus.SERVICE_UNAVAILABLE: "It cannot be done just now; the same request may succeed later",
}
_TO_BE_RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_HEADERS = {
    "Retry-After": ("Seconds after which to try again", "integer"),
    "RateLimit": ('What is left to the tenant: `"tenant";r=3999;t=1`', "string"),
    "RateLimit-Policy": ('How often a tenant may ask: `"tenant";q=4000;w=2`', "string"),
}
_DESCRIPTION = """One of Kith's services. Everything belongs to a tenant, which the access token names.

A command is a POST to `..:verb`. Send an `Idempotency-Key` to make it safe to repeat, and `If-Match` with the ETag you
last saw to have it refused if someone else was faster. Refusals are problem details (RFC 9457)."""


def answers(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the problems that it may return besides the ones that follow from what it is."""
    return {status.value: {"description": _WORDS[status]} for status in statuses}


def document(app: FastAPI, models: Sequence[type[BaseModel]], tags: Mapping[str, str]) -> dict[str, Any]:
    """`models` are bodies that routes name by reference; `tags` describes each group of operations."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        contact={"name": "Kith"},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "where this document was found"}],
        routes=app.routes,
    )
    components = found.setdefault("components", {})
    components["schemas"] = _schemas(components.get("schemas", {}), models)
    components["headers"] = {
        name: {"description": words, "schema": {"type": kind}} for name, (words, kind) in _HEADERS.items()
    }
    used: Counter[str] = Counter()
    answered = set[int]()
    for path, method, operation in _operations(found):
        used.update(operation["tags"])
        operation.setdefault("description", f"{operation['summary']}.")
        operation["responses"] = _responses(path, method, operation)
        answered |= {int(status) for status in operation["responses"]}
    components["responses"] = {_name(status): _problem(status) for status in _WORDS if status in answered}
    components["parameters"] = _refer_to_parameters([each for *_, each in _operations(found)])
    found["tags"] = [{"name": name, "description": tags[name]} for name in sorted(used)]
    return found


def _operations(found: Mapping[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _refer_to_parameters(operations: Sequence[Operation]) -> dict[str, Any]:
    """Has operations refer to the parameters that several have, and returns these by their names: lists and exports of
    a noun take the same hundred. Where a name means several things, it is that of a tag, or the parameter stays."""
    used = defaultdict[str, list[Operation]](list)
    for operation in operations:
        for each in operation.get("parameters", ()):
            used[_spelt(each)].append(operation)
    shared = {spelt: {each["tags"][0] for each in by} for spelt, by in used.items() if len(by) > 1}
    meanings = Counter(json.loads(spelt)["name"] for spelt in shared)
    found, names = dict[str, Any](), dict[str, str]()
    for spelt, tags in shared.items():
        parameter = json.loads(spelt)
        name = parameter["name"] if meanings[parameter["name"]] == 1 else f"{min(tags)}-{parameter['name']}"
        name = name.replace(" ", "-")
        if (meanings[parameter["name"]] == 1 or len(tags) == 1) and name not in found:
            found[name], names[spelt] = parameter, name
    for operation in operations:
        if "parameters" in operation:
            operation["parameters"] = [
                {"$ref": f"#/components/parameters/{names[spelt]}"} if (spelt := _spelt(each)) in names else each
                for each in operation["parameters"]
            ]
    return found


def _spelt(parameter: Mapping[str, Any]) -> str:
    return json.dumps(parameter, sort_keys=True)


def _schemas(there: Mapping[str, Any], models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    _, bodies = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    details = TypeAdapter(problems.ProblemDetails).json_schema(ref_template=_REF)
    schemas = {**there, **bodies.get("$defs", {}), **details.pop("$defs"), "ProblemDetails": details}
    return {
        name: _without_null_defaults(each)
        for name, each in schemas.items()
        if name not in ("HTTPValidationError", "ValidationError")
    }


def _without_null_defaults(schema: Any) -> Any:
    """To leave such a field out is the same. Generators of clients take one with a default for one that is always
    there, and would have it sent."""
    match schema:
        case dict():
            return {
                name: _without_null_defaults(each)
                for name, each in schema.items()
                if not (name == "default" and each is None)
            }
        case list():
            return [_without_null_defaults(each) for each in schema]
    return schema


def _responses(path: str, method: str, operation: Operation) -> dict[str, Any]:
    declared = operation["responses"]
    problems_ = {*_ALWAYS, *_by_kind(path, method, operation)}
    problems_ |= {HTTPStatus(int(status)) for status in declared if int(status) >= HTTPStatus.BAD_REQUEST}
    successes = {status: each for status, each in declared.items() if int(status) < HTTPStatus.BAD_REQUEST}
    for each in successes.values():
        each["headers"] = each.get("headers", {}) | _references("RateLimit", "RateLimit-Policy")
    return successes | {
        str(status.value): {"$ref": f"#/components/responses/{_name(status)}"} for status in sorted(problems_)
    }


def _by_kind(path: str, method: str, operation: Operation) -> Iterator[HTTPStatus]:
    if "{" in path:
        yield HTTPStatus.NOT_FOUND
    if method in ("post", "put"):
        yield from _OF_BODIES
        if not path.endswith(BULK):  # where each row has a problem of its own
            yield HTTPStatus.CONFLICT
    if any(each["name"] == "if-match" for each in operation.get("parameters", ())):
        yield HTTPStatus.PRECONDITION_FAILED


def _problem(status: HTTPStatus) -> dict[str, Any]:
    names = ["RateLimit", "RateLimit-Policy"] if status is not HTTPStatus.UNAUTHORIZED else []
    if status in _TO_BE_RETRIED:
        names.append("Retry-After")
    return {
        "description": _WORDS[status],
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        "headers": _references(*names),
    }


def _references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _name(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "").replace("-", "")
