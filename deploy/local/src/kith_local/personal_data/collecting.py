"""Asks every service what it holds of a person, and writes one folder: `data.json`, `index.html`, and the files that
are attached to them.

The folder is made beside the one that is wanted and takes its name when all is there, so that nothing half-done looks
whole. Each answer is proved by its last line. Nothing is held in memory but some hundred records.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import msgspec
from rich.console import Console

from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.personal_data.page import Page
from kith_local.personal_data.parts import File, Part, Person
from kith_local.replay.session import service_urls
from kith_local.tokens import fetch_token
from kith_local.topology import SERVICES

PATIENCE, PAUSE = 60.0, 1.0
"""Seconds: for so long a service is asked again that has no time, or breaks off."""
TOLD_EVERY = 10_000
"""Lines."""
Token = Callable[[], str]
_ASSESSED = ("health", "value")
"""What analytics has worked out of a customer."""
_NOT_NOW = frozenset({429, 502, 503, 504})


def write(layout: Layout, person: Person, out: Path | None, console: Console) -> int:
    """Raises LocalError."""
    if out is None:
        raise LocalError("Into which folder? OUT=ann-gruber")

    def token() -> str:
        return os.environ.get("KITH_TOKEN") or fetch_token(layout, tenant=person.tenant)

    urls = service_urls(layout)
    urls = {each: os.environ.get(f"KITH_URL_{each.upper().replace('-', '_')}") or url for each, url in urls.items()}
    with httpx.Client(timeout=httpx.Timeout(30, read=120), trust_env=False) as http:
        Collecting(http, urls, token, person, console).write(out)
    return 0


class Collecting:
    def __init__(
        self, http: httpx.Client, urls: Mapping[str, str], token: Token, person: Person, console: Console
    ) -> None:
        self._http, self._urls, self._token = http, urls, token
        self._person, self._console = person, console

    def write(self, out: Path) -> None:
        """Raises LocalError; then nothing is there."""
        if out.exists():
            raise LocalError(f"{out} is there already: name another folder.")
        with _folder(out) as folder:
            parts = [self._ask(each.replace("_", "-"), folder) for each in SERVICES]
            if not any(each.counts for each in parts):
                raise LocalError(f"No service holds anything of {self._person.noun} {self._person.id}.")
            files = [file for part in parts for file in part.files]
            for each in files:
                self._fetch(each, folder)
            assessment = self._assessment()
            self._write_json(folder / "data.json", parts, assessment, files)
            page = Page(self._person, max(each.at for each in parts if each.at is not None))
            with (folder / "index.html").open("w", encoding="utf-8") as to:
                to.writelines(page.lines(parts, assessment, {each.record["id"]: each.path for each in files}))
            for part in parts:
                part.lines.unlink(missing_ok=True)
        number = sum(sum(each.counts.values()) for each in parts)
        self._say(f"{out}: {number:,} records and {len(files):,} files. Look through them before you hand them on.")

    def _say(self, words: str) -> None:
        self._console.print(words, highlight=False, markup=False, soft_wrap=True)

    def _ask(self, service: str, folder: Path) -> Part:
        """Raises LocalError."""
        part = Part(service, folder / f".{service}.ndjson")
        self._again(service, lambda: self._receive(part))
        self._say(f"{service}: {sum(part.counts.values()):,} records" if part.counts else f"{service}: nothing")
        return part

    def _again(self, service: str, attempt: Callable[[], None]) -> None:
        """Tries again what may pass. Raises LocalError."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return attempt()
            except (httpx.TransportError, _Passing) as error:
                if time.monotonic() + PAUSE > end:
                    why = str(error) or type(error).__name__
                    at = f"{service} at {self._urls[service]}"
                    raise LocalError(f"{at} did not answer: {why}. Nothing was written; ask again.") from None
            time.sleep(PAUSE)

    @contextmanager
    def _answer(self, service: str, path: str) -> Iterator[httpx.Response | None]:
        """Yields None for what is not there. Raises _Passing, and LocalError."""
        headers = {"Authorization": f"Bearer {self._token()}"}
        with self._http.stream("GET", f"{self._urls[service]}{path}", headers=headers) as answer:
            if answer.status_code == httpx.codes.NOT_FOUND:
                yield None
                return
            if not answer.is_success:
                why = f"{answer.status_code} {answer.read()[:300].decode(errors='replace')}"
                if answer.status_code in _NOT_NOW:
                    raise _Passing(why)
                raise LocalError(f"{service} refused it: {why}. Nothing was written.")
            yield answer

    def _receive(self, part: Part) -> None:
        part.at, part.counts, part.files = None, {}, []
        count, end = 0, None
        path = f"/v1/personal-data/{self._person.noun}/{self._person.id}"
        with self._answer(part.service, path) as answer, part.lines.open("wb") as to:
            if answer is None:
                return
            for line in _lines(answer):
                found = msgspec.json.decode(line)
                if (end := found.get("end")) is not None:
                    break
                to.write(line + b"\n")
                self._note(part, found)
                count += 1
                if count % TOLD_EVERY == 0:
                    self._say(f"{part.service}: {count:,} lines")
            if end is None or end["rows"] != count:
                raise _Passing("the answer broke off")
            to.write(line + b"\n")
            part.at = datetime.fromisoformat(answer.headers["Kith-Position"].partition("@")[2])

    def _note(self, part: Part, line: Mapping[str, Any]) -> None:
        if (record := line.get("record")) is None:
            return
        part.counts[line["noun"]] = part.counts.get(line["noun"], 0) + 1
        if part.service == "contacts" and line["noun"] == "attachment" and record["file_name"] is not None:
            part.files.append(File(record))

    def _fetch(self, file: File, folder: Path) -> None:
        """Raises LocalError."""
        to = folder / file.path
        to.parent.mkdir(exist_ok=True)

        def attempt() -> None:
            hashed = hashlib.sha256()
            with self._answer("contacts", f"/v1/attachments/{file.record['id']}/content") as answer, to.open("wb") as f:
                if answer is None:
                    raise LocalError(
                        f"The content of attachment {file.record['id']} is not there. Nothing was written."
                    )
                for piece in answer.iter_bytes():
                    hashed.update(piece)
                    f.write(piece)
            if hashed.hexdigest() != file.record["sha256"]:
                raise _Passing("what came of an attachment is not what was sent")

        self._again("contacts", attempt)

    def _assessment(self) -> dict[str, Any]:
        """Returns what was worked out of a customer: profiling is part of what a person may ask for."""
        found: dict[str, Any] = {}

        def ask(what: str) -> None:
            with self._answer("analytics", f"/v1/customers/{self._person.id}/{what}") as answer:
                if answer is not None:
                    found[what] = msgspec.json.decode(answer.read())

        for what in _ASSESSED if self._person.noun == "customer" else ():
            self._again("analytics", lambda what=what: ask(what))  # type: ignore[misc]
        return found

    def _write_json(self, path: Path, parts: list[Part], assessment: Mapping[str, Any], files: list[File]) -> None:
        encode = msgspec.json.encode
        with path.open("wb") as to:
            about = {"tenant": self._person.tenant, "noun": self._person.noun, "id": self._person.id}
            to.write(b'{"person":' + encode(about) + b',"collected_at":' + encode(datetime.now(UTC)))
            to.write(b',"services":{')
            for number, part in enumerate(parts):
                to.write(b",\n" if number else b"\n")
                to.write(encode(part.service) + b':{"as_of":' + encode(part.at) + b',"records":[')
                _write_list(to, (encode(each) for each in part.records()))
                to.write(b"]}")
            to.write(b'},\n"assessment":' + encode(assessment) + b',\n"files":[')
            _write_list(to, (encode({"attachment_id": each.record["id"], "path": each.path}) for each in files))
            to.write(b"]}\n")


class _Passing(Exception):
    """What may be otherwise a moment later."""


def _write_list(to: BinaryIO, items: Iterator[bytes]) -> None:
    to.writelines((b",\n" if number else b"\n") + each for number, each in enumerate(items))


def _lines(answer: httpx.Response) -> Iterator[bytes]:
    """Yields whole lines. Not `iter_lines`: to that, some letters within a text are line ends."""
    rest = b""
    for piece in answer.iter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """A folder that is there under this name once the block has ended, and not at all if it raises. It is its owner's
    alone."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise LocalError(f"{out} cannot be made: {error}") from None
    try:
        yield made
        made.rename(out)
    except OSError as error:
        raise LocalError(f"{out} cannot be written: {error}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
