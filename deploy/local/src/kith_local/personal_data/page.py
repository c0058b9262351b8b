"""The page that a person reads: what is held of them, by service and noun, in words. It has no script, everything that
somebody wrote is escaped and set apart in its direction, and it is written as it is read."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from html import escape
from typing import Any

from kith_local.personal_data.parts import Part, Person, Record

MOST_SHOWN = 1000
"""Records of a noun: more of them nobody reads, and data.json has them all."""
TITLES = {
    "contacts": "Who you are, and what passed between us",
    "sales": "Offers, orders, and what we mean to do",
    "service-desk": "What you asked us for",
    "analytics": "What we noted of the relationship",
}
_NOUNS = {
    "customer": "Customers",
    "contact": "People",
    "touchpoint": "Calls, messages and visits",
    "usage": "Use of products",
    "adoption": "What was bought, and what of it is used",
    "web_visit": "Visits of our pages",
    "consent": "What you allowed, and refused",
    "note": "Notes",
    "attachment": "Files",
    "opportunity": "Offers",
    "case": "Requests",
    "pulse": "Impressions",
}
_LABELS = {
    "id": "Number here",
    "external_id": "Number elsewhere",
    "custom_personal": "Own fields",
    "custom": "Other own fields",
    "created_at": "Since",
    "updated_at": "Last change",
    "sha256": "Fingerprint (SHA-256)",
    "historic": "Paid so far",
    "predicted": "Expected to be paid",
    "expected_transactions": "Expected orders",
    "p_alive": "Likely to order again",
    "rfm": "Ranks by recency, frequency and amount",
    "weeks_ahead": "Weeks looked ahead",
}
_TITLES_OF_RECORDS = ("name", "title", "subject", "file_name", "purpose")
"""By the first of these that it has a record is called."""
_HIDDEN = frozenset({"version"})
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1c2733; background: #fff;
  max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .25rem; padding-top: 1.5rem; border-top: 3px solid #1f5f8b; }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; color: #1f5f8b; }
h4 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .5rem 0; }
.quiet, small { color: #5b6875; }
nav ul { columns: 2; padding-left: 1.1rem; margin: .5rem 0; }
.record { border: 1px solid #d5dde5; border-radius: 6px; padding: .8rem 1rem; margin: .6rem 0; break-inside: avoid; }
dl { display: grid; grid-template-columns: minmax(8rem, 13rem) 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: #5b6875; }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
dd ul, .record ul { margin: 0; padding-left: 1.1rem; }
.history { margin-top: .7rem; padding-top: .5rem; border-top: 1px dotted #b9c5d0; font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #e3e9ee; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } nav ul { columns: 1; } }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } h2, h3, h4 { break-after: avoid; }
  .record { border-color: #999; } a { color: inherit; text-decoration: none; } }
"""


class Page:
    def __init__(self, person: Person, at: datetime) -> None:
        self._person, self._at = person, at

    def lines(self, parts: Iterable[Part], assessment: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[str]:
        there = [each for each in parts if each.counts]
        yield from self._head(there, bool(assessment))
        for part in there:
            yield f'<h2 id="{part.service}">{TITLES[part.service]}</h2>\n'
            yield f'<p class="quiet">From the service {part.service}, as of {_instant(part.at)}.</p>\n'
            yield from self._records(part, files)
        if assessment:
            yield from _assessment(assessment)
        yield "</body>\n</html>\n"

    def _head(self, parts: Iterable[Part], is_assessed: bool) -> Iterator[str]:
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        yield f"""<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>What is held of you</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>What is held of you</h1>
<p>This is all that <b>{_text(self._person.tenant)}</b> holds of you as a {self._person.noun}, in every service, as of
{_instant(self._at)}. It has records as they are and what was changed of them, also those that were put away.</p>
<p>The file <a href="data.json">data.json</a> has the same for another system to read. If something here is wrong, you
may have it corrected; you may also have it erased.</p>
<nav>
<h3>Contents</h3>
<ul>
"""
        for part in parts:
            for noun, count in part.counts.items():
                yield f'<li><a href="#{part.service}-{noun}">{heading(noun)}</a> ({count:,})</li>\n'
        if is_assessed:
            yield '<li><a href="#assessment">What was worked out of you</a></li>\n'
        yield "</ul>\n</nav>\n"

    def _records(self, part: Part, files: Mapping[str, str]) -> Iterator[str]:
        noun, shown, own = "", 0, str(self._person.id)
        for each in part.records():
            if each.noun != noun:
                noun, shown = each.noun, 0
                yield f'<h3 id="{part.service}-{noun}">{heading(noun)}</h3>\n'
                if (left := part.counts[noun] - MOST_SHOWN) > 0:
                    more = f"Here are {MOST_SHOWN:,} of them; data.json has the other {left:,} as well."
                    yield f'<p class="quiet">{more}</p>\n'
            shown += 1
            if shown <= MOST_SHOWN:
                yield from _record(each, own, files)


def _record(each: Record, own: str, files: Mapping[str, str]) -> Iterator[str]:
    """Yields what a record says that its title does not; that it is of the person whose page it is goes without
    saying."""
    record = each.record
    title = next((name for name in _TITLES_OF_RECORDS if record.get(name)), "")
    left_out = {*_HIDDEN, "id", title, *(["updated_at"] if record.get("updated_at") == record["created_at"] else [])}
    yield '<section class="record">\n'
    if title:
        yield f"<h4>{_text(record[title])}</h4>\n"
    yield "<dl>\n"
    for name, value in record.items():
        if name not in left_out and value != own and (said := _said(value)):
            yield f"<dt>{label(name)}</dt><dd>{said}</dd>\n"
    if (path := files.get(record["id"])) is not None:
        yield f'<dt>Content</dt><dd><a href="{escape(path)}" download>in the folder of this page</a></dd>\n'
    yield f"<dt>{label('id')}</dt><dd><small>{_text(record['id'])}</small></dd>\n</dl>\n"
    if each.history:
        yield '<div class="history">What was done with it:<ul>\n'
        for entry in each.history:
            yield f"<li>{_entry(entry)}</li>\n"
        yield "</ul></div>\n"
    yield "</section>\n"


def _entry(entry: Mapping[str, Any]) -> str:
    what = f"{_instant(entry['time'])}: {_text(words(entry['command']))}, by {_text(entry['actor'])}"
    changes = [
        f"<li>{label(each['field'])}: {_said(each['old']) or 'nothing'} → {_said(each['new']) or 'nothing'}</li>"
        for each in entry["changes"]
    ]
    return f"{what}<ul>{''.join(changes)}</ul>" if changes else what


def _assessment(found: Mapping[str, Any]) -> Iterator[str]:
    yield '<h2 id="assessment">What was worked out of you</h2>\n'
    yield '<p class="quiet">Computed from the records above, by rules, and changes with them.</p>\n'
    if (health := found.get("health")) is not None:
        yield "<h3>How the relationship stands</h3>\n"
        score = "not known" if health["score"] is None else f"{health['score']:.0f} of 100"
        band = f", {_text(words(str(health['band'])))}" if health["band"] else ""
        yield f"<p><b>{score}{band}</b>, as of {_instant(health['at'])}. {_text(health['words'])}</p>\n"
        yield from _measures(health["contributions"])
    if (value := found.get("value")) is not None:
        yield "<h3>What is expected of purchases</h3>\n<dl>\n"
        for name, each in value.items():
            if said := _said(each):
                yield f"<dt>{label(name)}</dt><dd>{said}</dd>\n"
        yield "</dl>\n"


def _measures(contributions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    rows = [each for each in contributions if each["present"]]
    if rows:
        yield "<table><tr><th>What counts</th><th>Why</th><th>Points</th></tr>\n"
        for each in rows:
            points = f'<td class="number">{each["score"]:.0f} of 100, weight {each["weight"]:.2f}</td>'
            yield f"<tr><td>{_text(each['title'])}</td><td>{_text(each['words'])}</td>{points}</tr>\n"
        yield "</table>\n"


def _said(value: Any) -> str:
    """Returns a value in words; nothing of one that is empty."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return f"<ul>{''.join(f'<li>{_said(each)}</li>' for each in value)}</ul>"
    if isinstance(value, dict):
        return ", ".join(f"{label(name)}: {said}" for name, each in value.items() if (said := _said(each)))
    return _text(value)


def _text(value: Any) -> str:
    """Escaped, and in its own direction: a mark that turns it ends with it."""
    text = str(value)
    if _INSTANT.fullmatch(text):
        return _instant(text)
    if _DAY.fullmatch(text):
        return _day(date.fromisoformat(text))
    return f"<bdi>{escape(text)}</bdi>"


def _instant(value: Any) -> str:
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError:  # of before or after all time
        return f"<bdi>{escape(str(value))}</bdi>"
    zone = at.strftime("%z")
    return f"{_day(at)}, {at:%H:%M} {'UTC' if zone == '+0000' else zone}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B} {day.year}"


def label(name: str) -> str:
    return _LABELS.get(name) or escape(words(name.removesuffix("_at").removesuffix("_id")))


def heading(noun: str) -> str:
    return _NOUNS.get(noun) or escape(f"{words(noun)}s")


def words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()
