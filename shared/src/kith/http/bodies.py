"""What a request's body may be: JSON in UTF-8, and not too much of it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from kith.http.answers import JSON

MAX_BODY = 1024 * 1024
MAX_BULK_BODY = 32 * 1024 * 1024
BULK = ":bulk"
"""How the path of an operation ends that takes many rows."""

CONTENT = "/content"
"""How the path of an operation ends that takes a file: its handler reads it piece by piece. By PUT it is one of
records; by POST, as where the path ends with UPLOAD, it may be of any kind, and the handler says of which."""
UPLOAD = ":upload"
CONTENT_TYPES = ("text/csv", "application/x-ndjson")


def is_content(method: str, path: str) -> bool:
    return method in ("PUT", "POST") and path.endswith((CONTENT, UPLOAD))


def most_bytes(path: str) -> int:
    return MAX_BULK_BODY if path.endswith(BULK) else MAX_BODY


def declared_bytes(headers: Mapping[str, str]) -> int | None:
    """Returns the declared size of the body; None if it is sent in chunks. The server has checked that Content-Length
    is a number."""
    return None if "transfer-encoding" in headers else int(headers.get("content-length", 0))


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raises HTTPException (415). A page of another site can have a browser send a form or plain text without asking
    first, and a body without a type too; JSON it cannot."""
    if declared_bytes(headers) == 0:
        return
    _check_type(headers, (JSON,), "A body is JSON in UTF-8")
    _check_encoding(headers)


def check_content_type(method: str, headers: Mapping[str, str]) -> None:
    """The same for a file. Raises HTTPException (415)."""
    if method == "PUT":
        _check_type(headers, CONTENT_TYPES, "A file is CSV or lines of JSON, in UTF-8")
    _check_encoding(headers)


def _check_type(headers: Mapping[str, str], kinds: Sequence[str], rule: str) -> None:
    kind, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    is_utf_8 = all(each in ("", "charset=utf-8", 'charset="utf-8"') for each in parameters)
    if kind not in kinds or not is_utf_8:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"{rule}: send it with Content-Type: {' or '.join(kinds)}.",
            {"Accept": ", ".join(kinds)},
        )


def _check_encoding(headers: Mapping[str, str]) -> None:
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A body is not compressed.", {"Accept-Encoding": "identity"}
        )


def check_size(size: int, limit: int) -> None:
    """Raises HTTPException (413)."""
    if size > limit:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {limit} bytes here.")


async def read_body(receive: Receive, limit: int) -> bytes:
    """Raises HTTPException (413) before a body over the limit is all in memory, or ClientDisconnect."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        size += len(piece := message.get("body", b""))
        check_size(size, limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
