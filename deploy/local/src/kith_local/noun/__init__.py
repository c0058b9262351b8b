"""Writes the skeleton of a noun, so that what is left to write is what is its own: its fields and its rules.

    make noun SERVICE=sales NAME=quote [PLURAL=quotes]

Rules, form, events with their frozen examples, a test of the rules and a migration; and its line in each list that
names all nouns. What it writes passes `make check` and the contract suite as it is.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from kith_local.errors import LocalError
from kith_local.layout import ROOT
from kith_local.topology import SERVICES

_EVENTS = ROOT / "shared" / "src" / "kith" / "events"
_CORPUS = ROOT / "shared" / "schemas" / "corpus"
_COLLECTIONS = ROOT / "services" / "analytics" / "src" / "analytics" / "reconciliation" / "collections.py"


def write_noun(*, service: str, name: str, plural: str) -> list[Path]:
    """Returns the files that were written or changed. Raises LocalError, and has written nothing then."""
    words = _words_of(service, name, plural)
    source = ROOT / "services" / words["service"] / "src" / words["package"]
    room, tests = source / words["many"], ROOT / "tests" / words["package"] / words["many"]
    for there in (*room.glob("*.py"), *source.glob(f"{words['many']}.py")):
        raise LocalError(f"There is a file {there.relative_to(ROOT)} already: choose another name.")
    for other in ROOT.glob(f"services/*/src/*/{words['many']}/form.py"):
        raise LocalError(f"There is a noun of that name already, in {other.relative_to(ROOT)}: choose another.")
    written = {
        room / "__init__.py": "",
        room / "rules.py": _filled("rules", words),
        room / "form.py": _filled("form", words),
        tests / "test_rules.py": _filled("test_rules", words),
        _EVENTS / f"{words['package']}.py": _with_events(_EVENTS / f"{words['package']}.py", words),
        source / "resources.py": _with_resource(source / "resources.py", words),
        **dict(_examples(words)),
    }
    if service != "analytics":  # which is compared with the others
        written[_COLLECTIONS] = _with_collection(_COLLECTIONS, words)
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    python = [path for path in written if path.suffix == ".py"]
    _run("ruff", "check", "--quiet", "--fix", "--select", "I", *python)
    _run("ruff", "format", "--quiet", *python)
    _run("kith_local", "migration", "--service", service, "--name", words["many"])
    _run("ruff", "format", "--quiet", source / "migrations" / "versions")
    _run("kith_local", "contracts")
    return list(written)


def _words_of(service: str, name: str, plural: str) -> Mapping[str, str]:
    package, services = service.replace("-", "_"), [each.replace("_", "-") for each in SERVICES]
    if service not in services:
        raise LocalError(f"SERVICE is one of {', '.join(services)}.")
    if not name:
        raise LocalError("NAME is missing, as in: make noun SERVICE=sales NAME=quote")
    plural = plural or _plural_of(name)
    if plural == name:
        raise LocalError(f"PLURAL={plural} is NAME as well: one and several have different names in the API.")
    for given, what in ((name, "NAME"), (plural, "PLURAL")):
        if not re.fullmatch("[a-z]+(_[a-z]+)*", given):
            raise LocalError(f"{what} is in lower case, its words joined by underscores, as in credit_note.")
    pascal = "".join(each.capitalize() for each in name.split("_"))
    return {
        "service": service,
        "package": package,
        "one": name,
        "many": plural,
        "MANY": plural.upper(),
        "Name": pascal,
        "kebab": name.replace("_", "-"),
        "words": name.replace("_", " "),
        "path": plural.replace("_", "-"),
    }


def _plural_of(name: str) -> str:
    if re.search("[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search("(s|x|z|ch|sh)$", name) else f"{name}s"


def _filled(name: str, words: Mapping[str, str]) -> str:
    return Template((Path(__file__).parent / f"{name}.txt").read_text()).substitute(words)


def _with_events(path: Path, words: Mapping[str, str]) -> str:
    text = path.read_text().rstrip() + "\n"
    if f"class {words['Name']}Created(" in text:
        raise LocalError(f"There is an event {words['Name']}Created already.")
    imported = re.search(r"^from kith\.events\.event import (.*)$", text, re.MULTILINE)
    if imported is None:
        raise LocalError(f"{path.relative_to(ROOT)} has no line `from kith.events.event import …`.")
    names = sorted({*imported[1].split(", "), "Amended", "Event"})
    return text.replace(imported[0], f"from kith.events.event import {', '.join(names)}") + _filled("events", words)


def _with_resource(path: Path, words: Mapping[str, str]) -> str:
    text = path.read_text().replace("\n\nRESOURCES = ", _line("from {package}.{many}.form import {MANY}", words), 1)
    return re.sub(r"RESOURCES = \((.*?),?\s*\)", rf"RESOURCES = (\1, {words['MANY']})", text, flags=re.DOTALL)


def _line(text: str, words: Mapping[str, str]) -> str:
    return f"\n{text.format(**words)}\n\nRESOURCES = "


def _with_collection(path: Path, words: Mapping[str, str]) -> str:
    event = f"{words['Name']}Created"
    line = f'    _of("{words["service"]}", "{words["path"]}", {event}),\n'
    text = path.read_text().replace("\n)\nBY_TYPE", f"\n{line})\nBY_TYPE", 1)
    return text.replace("\nRecord = ", f"from kith.events.{words['package']} import {event}\n\nRecord = ", 1)


def _examples(words: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Two of each event, which never change: one with all fields, one with none that it may lack."""
    full = {"created": {"kind": "standard"}, "amended": {"changed": ["kind"], "kind": "special"}}
    least = {"created": {"kind": "standard"}, "amended": {"changed": []}}
    for size, bodies in (("full", full), ("least", least)):
        for verb, body in bodies.items():
            type = f"{words['service']}.{words['kebab']}.{verb}.v1"
            headers = {
                "ce_specversion": "1.0",
                "ce_id": "019ca000-0000-7000-8000-000000000001",
                "ce_source": words["service"],
                "ce_type": type,
                "ce_subject": "019ca000-0000-7000-8000-000000000002",
                "ce_time": "2026-03-01T09:30:00.250000+00:00",
                "ce_tenantid": "acme",
                "ce_aggregateversion": "1" if verb == "created" else "2",
                "ce_recordedat": "2026-03-01T09:30:00.250000+00:00",
                "content-type": "application/json",
            }
            if size == "full":
                headers["ce_customerid"] = "019ca000-0000-7000-8000-000000000003"
                headers["ce_traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            text = json.dumps({"headers": headers, "body": body}, indent=2) + "\n"
            yield _CORPUS / f"{type}.{size}.json", text


def _run(module: str, *arguments: str | Path) -> None:
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise LocalError(f"{module} {arguments[0]} failed: see above.")
