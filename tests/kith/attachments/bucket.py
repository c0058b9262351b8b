"""A bucket as S3 has it, in this process: what the adapter asks of one, and the signature of each request."""

import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree as ET

KEY, SECRET = "kith", "of the bucket"
BUCKET = "files"
_WHEN = "2026-11-27T12:00:00.000Z"


class Bucket(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append(f"{self.command} {sorted(query)}")
        if not self._is_signed(parts.path, query, body):
            self._answer(403)
        else:
            key = unquote(parts.path).removeprefix(f"/{BUCKET}").removeprefix("/")
            self._answer(*self._done(key, query, body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - names of the base

    def _done(self, key: str, query: dict[str, str], body: bytes) -> tuple[Any, ...]:  # noqa: C901, PLR0911 - a case each
        objects, parts = self.server.objects, self.server.parts
        match self.command, query:
            case "POST", {"uploads": _}:
                parts[key] = {}
                return 200, _xml("InitiateMultipartUploadResult", f"<UploadId>{quote(key)}</UploadId>")
            case "PUT", {"partNumber": number}:
                parts[key][int(number)] = body
            case "POST", {"uploadId": _}:
                objects[key] = b"".join(each for _, each in sorted(parts.pop(key).items()))
                return 200, _xml("CompleteMultipartUploadResult", "<ETag>e</ETag>")
            case "DELETE", {"uploadId": _}:
                parts.pop(key)
                return (204,)
            case "POST", {"delete": _}:
                named = [str(each.text) for each in ET.fromstring(body).iter() if each.tag.endswith("Key")]  # noqa: S314 - ours
                for each in named:
                    objects.pop(each, None)
                return 200, _xml("DeleteResult", "".join(f"<Deleted><Key>{each}</Key></Deleted>" for each in named))
            case "DELETE", _:
                objects.pop(key, None)
                return (204,)
            case "GET", {"list-type": _}:
                return 200, self._listed(query.get("prefix", ""))
            case _ if key not in objects:
                return (404,)
            case "GET" | "HEAD", _:
                return self._ranged(objects[key])
        return 200, b"", {"ETag": '"e"'}

    def _ranged(self, whole: bytes) -> tuple[Any, ...]:
        headers = {"ETag": '"e"', "Last-Modified": "Fri, 27 Nov 2026 12:00:00 GMT"}
        if not (asked := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))):
            return 200, whole, headers
        first, last = int(asked[1]), int(asked[2])
        return 206, whole[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(whole)}"}

    def _listed(self, prefix: str) -> bytes:
        found = {name: each for name, each in sorted(self.server.objects.items()) if name.startswith(prefix)}
        return _xml(
            "ListBucketResult",
            f"<Name>{BUCKET}</Name><KeyCount>{len(found)}</KeyCount><IsTruncated>false</IsTruncated>"
            + "".join(
                f"<Contents><Key>{name}</Key><Size>{len(each)}</Size><LastModified>{_WHEN}</LastModified>"
                "<ETag>e</ETag></Contents>"
                for name, each in found.items()
            ),
        )

    def _is_signed(self, path: str, query: dict[str, str], body: bytes) -> bool:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
        given = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/((\d+)/([^/]+)/s3/aws4_request), ?SignedHeaders=([^,]+), ?"
            r"Signature=([0-9a-f]+)",
            self.headers.get("authorization", ""),
        )
        if given is None or given[1] != KEY:
            return False
        sent = self.headers["x-amz-content-sha256"]
        if sent not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
            return False
        asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))
        headers = "".join(f"{name}:{self.headers[name].strip()}\n" for name in given[5].split(";"))
        canonical = f"{self.command}\n{path}\n{asked}\n{headers}\n{given[5]}\n{sent}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{given[2]}\n{digest}"
        key = f"AWS4{SECRET}".encode()
        for each in (given[3], given[4], "s3", "aws4_request"):
            key = hmac.digest(key, each.encode(), "sha256")
        return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), given[6])

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _xml(name: str, inner: str) -> bytes:
    return f'<?xml version="1.0"?><{name}>{inner}</{name}>'.encode()
