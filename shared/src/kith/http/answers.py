"""Responses in JSON, problems among them."""

import msgspec
from starlette.responses import Response

from kith.http.problems import ProblemDetails

JSON, PROBLEM_JSON = "application/json", "application/problem+json"


def json_response(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type=JSON, headers=headers)


def problem_response(body: ProblemDetails, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), body["status"], headers, PROBLEM_JSON)
