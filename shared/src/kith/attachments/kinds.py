"""What kinds of files are taken: those of a list, which begin as files of their kind do.

What begins as browsers and systems run it is not taken. That keeps out what is sent by mistake; whoever means it may
get past, and so nothing is ever rendered (kith.attachments.sending).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from kith.errors import Invalid
from kith.scalars import Pattern

MediaType = Annotated[
    str,
    Pattern(
        r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}",
        "It is a media type in lower case, as in application/pdf.",
    ),
]
Sha256 = Annotated[str, Pattern("[0-9a-f]{64}", "It is a SHA-256 in hexadecimal: 64 characters, in lower case.")]
HEAD = 4096
"""Bytes from the beginning of a file by which it is judged."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"
_BEGIN: Mapping[str, Sequence[bytes]] = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "image/tiff": (b"II*\x00", b"MM\x00*"),
    "application/zip": _ZIP,
    "application/msword": _OLE,
    "application/vnd.ms-excel": _OLE,
    "application/vnd.ms-powerpoint": _OLE,
    f"{_OFFICE}.wordprocessingml.document": _ZIP,
    f"{_OFFICE}.spreadsheetml.sheet": _ZIP,
    f"{_OFFICE}.presentationml.presentation": _ZIP,
    f"{_OPEN}.text": _ZIP,
    f"{_OPEN}.spreadsheet": _ZIP,
    f"{_OPEN}.presentation": _ZIP,
}
"""How files of a kind begin, one way or another. Of other kinds nothing is said."""
DEFAULT = (
    *_BEGIN,
    *("text/plain", "text/csv", "message/rfc822", "text/calendar", "text/vcard", "application/json"),
    *("image/heic", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "video/mp4", "video/quicktime", "video/webm"),
    "application/octet-stream",
)
NEVER = re.compile(r"(text|application)/(html|xhtml\+xml|xml|(x-|ecma)?javascript|x-msdownload|x-sh)|.*\+xml")
"""Browsers and systems run these."""

_RUN = re.compile(
    rb"MZ|\x7fELF|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|#!"
    rb"|(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|script|iframe|svg|\?xml|!--)",
    re.IGNORECASE,
)
"""How a program begins, or a page."""


def check(media_type: str, head: bytes) -> None:
    """Given the beginning of a file: raises Invalid for a program or a page, and for what is not of its kind."""
    if _RUN.match(head):
        raise Invalid("It is a program, or a page that a browser would run: these are not taken.", field="content")
    begin = _BEGIN.get(media_type)
    if begin is not None and not head.startswith(tuple(begin)):
        raise Invalid(f"It is said to be {media_type}, and does not begin as one.", field="content")
    if media_type.startswith("text/") and b"\0" in head:
        raise Invalid(f"It is said to be {media_type}, and is no text.", field="content")
