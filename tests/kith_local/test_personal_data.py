"""What is held of a person becomes one folder, or none: whole, private, and safe to open."""

import hashlib
import json
import re
import resource
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from kith.ids import new_id
from kith_local.errors import LocalError
from kith_local.personal_data import collecting
from kith_local.personal_data.collecting import Collecting
from kith_local.personal_data.parts import Person

ANN, FILE = str(new_id()), b"%PDF-1.7 of Ann"
EVIL = '<script>alert("1")</script>\u202e\u2028 & Söhne'
SERVICES = ("contacts", "sales", "service-desk", "analytics")
Lines = list[dict[str, Any]]


def record(noun: str, **fields: Any) -> dict[str, Any]:
    whole = {"id": str(new_id()), "external_id": None, "version": 1, "created_at": "2026-02-01T12:00:00Z"}
    return {"noun": noun, "record": whole | fields}


def history(of: dict[str, Any], **changed: tuple[Any, Any]) -> dict[str, Any]:
    changes = [{"field": name, "old": old, "new": new} for name, (old, new) in changed.items()]
    entry = {"version": 2, "command": "amend", "actor": "user:1", "time": "2026-02-02T08:30:00Z", "changes": changes}
    return {"noun": of["noun"], "id": of["record"]["id"], "history": entry}


PERSON = record("customer", id=ANN, name=EVIL, kind="person", tags=[], addresses=[{"city": "Wien", "primary": True}])
SHA256 = hashlib.sha256(FILE).hexdigest()
LETTER = record("attachment", file_name="../Offer <b>.pdf", sha256=SHA256, media_type="application/pdf")


class World:
    """The four services, as far as it takes."""

    def __init__(self) -> None:
        self.held: dict[str, Lines] = {"contacts": [PERSON, history(PERSON, name=("Ann", EVIL)), LETTER]}
        self.held |= {"sales": [record("order", value="12.5000", currency="EUR")]}
        self.broken, self.down, self.asked = dict[str, int](), set[str](), list[str]()
        self.file = FILE

    def __call__(self, request: httpx.Request) -> httpx.Response:
        service, path = request.url.host, request.url.path
        self.asked.append(f"{service} {path}")
        assert request.headers["Authorization"] == "Bearer a-token"
        if service in self.down:
            raise httpx.ConnectError("connection refused")
        if path.startswith("/v1/attachments/"):
            return httpx.Response(200, content=self.file)
        if path.endswith("/health"):
            counts = {"title": "Orders", "words": "<i>12</i> orders", "score": 80.0, "weight": 0.5, "present": True}
            return httpx.Response(
                200,
                json={"score": 72.4, "band": "at_risk", "at": "2026-02-03T00:00:00Z", "words": "Steady."}
                | {"contributions": [counts]},
            )
        if path.endswith("/value"):
            return httpx.Response(404)
        assert path == f"/v1/personal-data/customer/{ANN}"
        if service not in self.held:
            return httpx.Response(404)
        lines = [*self.held[service], {"end": {"rows": len(self.held[service])}}]
        if (left := self.broken.get(service, 0)) > 0:
            self.broken[service] = left - 1
            lines = lines[:-1]
        position = {"Kith-Position": f"{service}@2026-02-03T00:00:00+00:00"}
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in lines)
        return httpx.Response(200, content=text.encode(), headers=position)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(collecting, "PATIENCE", 0.05)
    monkeypatch.setattr(collecting, "PAUSE", 0.01)
    return World()


def write(world: World, out: Path, person: Person | None = None) -> None:
    with httpx.Client(transport=httpx.MockTransport(world)) as http:
        urls = {each: f"http://{each}" for each in SERVICES}
        whom = person or Person.of("acme", "customers", ANN)
        Collecting(http, urls, lambda: "a-token", whom, Console(quiet=True)).write(out)


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.seen, self.text = list[str](), set[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_all_of_it_is_one_document_and_one_page(world: World, tmp_path: Path) -> None:
    out = tmp_path / "new" / "ann"
    write(world, out)
    assert sorted(each.name for each in out.iterdir()) == ["data.json", "files", "index.html"]
    assert out.stat().st_mode & 0o777 == 0o700
    found = json.loads((out / "data.json").read_bytes())
    assert found["person"] == {"tenant": "acme", "noun": "customer", "id": ANN}
    assert [each["records"] and each["records"][0]["noun"] for each in found["services"].values()] == [
        *("customer", "order"),
        *([], []),
    ]
    ann, letter = found["services"]["contacts"]["records"]
    assert (ann["record"], ann["history"][0]["command"], letter["history"]) == (PERSON["record"], "amend", [])
    assert found["assessment"]["health"]["score"] == 72.4
    (file,) = found["files"]
    assert file == {"attachment_id": LETTER["record"]["id"], "path": f"files/{LETTER['record']['id']}.pdf"}
    assert (out / file["path"]).read_bytes() == FILE


def test_the_page_can_be_opened_and_read_whatever_somebody_wrote(world: World, tmp_path: Path) -> None:
    write(world, out := tmp_path / "ann")
    page = (out / "index.html").read_text()
    tags = _Tags(page)
    assert not tags.open, "all are closed"
    assert tags.seen.isdisjoint({"script", "img", "iframe", "form", "i"})
    assert "&lt;script&gt;" in page
    assert f"<bdi>{page.partition('<h4><bdi>')[2].partition('</bdi>')[0]}</bdi>" in page, "it turns nothing around it"
    assert "default-src 'none'" in page
    text = re.sub(r"\s+", " ", "".join(tags.text))
    for words in (
        *("What is held of you", "Who you are, and what passed between us", "1 February 2026, 12:00 UTC"),
        *("2 February 2026, 08:30 UTC: Amend, by user:1", "City: Wien, Primary: yes", "72 of 100, At risk"),
        *("<i>12</i> orders", "12.5000", re.sub(r"\s+", " ", EVIL)),
    ):
        assert words in text, words
    assert "Tags" not in text, "what is empty is left out"


def test_what_breaks_off_is_asked_for_again(world: World, tmp_path: Path) -> None:
    world.broken["contacts"] = 2
    write(world, out := tmp_path / "ann")
    assert len(json.loads((out / "data.json").read_bytes())["services"]["contacts"]["records"]) == 2


def broken_for_good(world: World) -> str:
    world.broken["sales"] = 10**6
    return "sales at http://sales did not answer: the answer broke off"


def down(world: World) -> str:
    world.down.add("service-desk")
    return "service-desk at http://service-desk did not answer: connection refused"


def another_file(world: World) -> str:
    world.file = b"another"
    return "what came of an attachment"


def nothing(world: World) -> str:
    world.held.clear()
    return "No service holds anything"


@pytest.mark.parametrize("spoil", [broken_for_good, down, another_file, nothing], ids=lambda each: each.__name__)
def test_where_something_is_missing_nothing_is_there(world: World, tmp_path: Path, spoil: Any) -> None:
    with pytest.raises(LocalError, match=re.escape(spoil(world))):
        write(world, tmp_path / "ann")
    assert not [*tmp_path.iterdir()]


def test_nothing_is_written_over(world: World, tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    with pytest.raises(LocalError, match="is there already"):
        write(world, tmp_path / "ann")
    assert not world.asked


@pytest.mark.parametrize(
    ("noun", "id", "hint"),
    [("order", ANN, "NOUN=customer"), ("contact", "ann", "ID=019"), ("contact", "", "ID=019")],
    ids=["an order", "a name", "nothing"],
)
def test_what_is_asked_wrongly_is_refused_in_words(noun: str, id: str, hint: str) -> None:
    with pytest.raises(LocalError, match=hint):
        Person.of("acme", noun, id)


def test_of_very_many_all_are_in_the_document_and_some_on_the_page(world: World, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    touchpoints = (record("touchpoint", channel="email", number=each) for each in range(3_000))
    world.held["contacts"] = [*touchpoints]
    write(world, out := tmp_path / "ann")
    found = json.loads((out / "data.json").read_bytes())
    assert [each["record"]["number"] for each in found["services"]["contacts"]["records"]] == [*range(3_000)]
    page = (out / "index.html").read_text()
    assert (page.count('<section class="record">'), "data.json has the other 2,000" in page) == (1_001, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.fixture
def many_histories(world: World) -> Lines:
    cases = [record("case", subject=str(number)) for number in range(1_200)]
    lines: Lines = []
    for start in range(0, 1_200, 300):
        piece = cases[start : start + 300]
        lines += [*piece, *(history(each, subject=("", each["record"]["subject"])) for each in piece)]
    world.held["service-desk"] = lines
    return cases


def test_each_record_has_its_own_history(world: World, tmp_path: Path, many_histories: Lines) -> None:
    write(world, out := tmp_path / "ann")
    found = json.loads((out / "data.json").read_bytes())["services"]["service-desk"]["records"]
    told = [(each["record"]["subject"], each["history"][0]["changes"][0]["new"]) for each in found]
    assert told == [(each["record"]["subject"],) * 2 for each in many_histories]
