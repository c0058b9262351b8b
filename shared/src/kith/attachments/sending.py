"""Sends content: always to be saved, and never to be shown."""

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kith.attachments.store import ContentLost, Readable
from kith.attachments.watched import FAULTS

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)
_NOT_SHOWN = re.compile(r"[^A-Za-z0-9 ._()-]")


class Sent(NamedTuple):
    """What is sent."""

    tenant: str
    id: UUID
    file_name: str
    media_type: str
    size: int
    sha256: str


def disposition(file_name: str) -> str:
    """Returns the Content-Disposition by which a file is saved under this name (RFC 6266), however odd that is."""
    plain = _NOT_SHOWN.sub("_", file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


async def response(request: Request, store: Readable, it: Sent) -> Response:
    """Returns the response: all of it, a range, or nothing where the client has it. Raises
    StoreFault and ContentLost."""
    headers = {
        "ETag": f'"{it.sha256}"',
        "Cache-Control": "private, no-store",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-site",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if (kept := await store.size(it.tenant, it.id)) != it.size:
        FAULTS.labels("lost").inc()
        raise ContentLost(f"Content {it.id} has {kept} bytes in the store, and {it.size} were received.")
    first, count, status = 0, it.size, HTTPStatus.OK
    is_same = request.headers.get("if-range", headers["ETag"]) == headers["ETag"]
    if is_same and (asked := _RANGE.fullmatch(request.headers.get("range", ""))):
        first, count = _ranged(asked[1], asked[2], it.size)
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {first}-{first + count - 1}/{it.size}"
    headers |= {"Content-Length": str(count), "Content-Disposition": disposition(it.file_name)}
    pieces = store.read(it.tenant, it.id, first, count)
    # Starlette would add a charset to a text, which nobody knows.
    headers["Content-Type"] = it.media_type
    return StreamingResponse(pieces, status_code=status, headers=headers)


def _ranged(first: str, last: str, size: int) -> tuple[int, int]:
    """Returns where a range begins, and how many bytes it has. Raises HTTPException (416)."""
    if first:
        begin, end = int(first), min(int(last) if last else size - 1, size - 1)
    else:
        begin, end = max(0, size - int(last or 0)), size - 1
    if begin > end:
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"It has {size} bytes.", {"Content-Range": f"bytes */{size}"}
        )
    return begin, end - begin + 1
