"""Splits the rows of a bulk request without parsing them: each is parsed, and rejected, by itself."""

import re

import msgspec

from kith.errors import Invalid
from kith.runtime.slices import in_slices

MAX_ROWS = 10_000

_MOST_COMMAS = 50 * MAX_ROWS
"""A body with more commas than this is not split in one go, as it may have that many rows."""
_BEGIN = re.compile(rb'\s*\{\s*"rows"\s*:\s*\[')
_END = re.compile(rb"\s*\}\s*")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_DEEPER = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[msgspec.Raw]


async def rows_of(body: bytes) -> list[bytes]:
    """Returns the rows. Raises Invalid if they cannot be split, or are too many."""
    if body.count(b",") > _MOST_COMMAS:
        return await _split(body)
    try:
        rows = [bytes(row) for row in msgspec.json.decode(body, type=_Body).rows]
    except msgspec.ValidationError as error:
        raise Invalid(str(error), field="body") from error
    except (msgspec.DecodeError, RecursionError):
        # The parser stops at a text that is not valid Unicode, in any row.
        return await _split(body)
    if len(rows) > MAX_ROWS:
        raise _too_many()
    return rows


async def _split(body: bytes) -> list[bytes]:
    begin = _BEGIN.match(body)
    if begin is None:
        raise Invalid("It is not an object with rows, and nothing else, in it.", field="body")
    rows: list[bytes] = []
    depth, at = 1, begin.end()
    async for token in in_slices(_TOKEN.finditer(body, at)):
        depth += _DEEPER.get(token[0], 0)
        if depth == 0 or (depth == 1 and token[0] == b","):
            rows.append(body[at : token.start()].strip())
            at = token.end()
        if depth == 0 or token[0] == b'"' or len(rows) > MAX_ROWS:  # the second is an unterminated string
            break
    if len(rows) > MAX_ROWS:
        raise _too_many()
    if rows == [b""]:
        rows = []
    if depth or not all(rows) or not _END.fullmatch(body, at):
        raise Invalid("It is not JSON that can be read.", field="body")
    return rows


def _too_many() -> Invalid:
    return Invalid(f"A request has at most {MAX_ROWS} rows.", field="rows")
