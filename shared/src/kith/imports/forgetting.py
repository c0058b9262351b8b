"""Takes out of imports what names somebody who was erased: rows that were refused keep their number and their field,
and a content that nobody is importing goes as a whole.

A row is what its sender wrote, so it is looked at by words: it names a person by an address, a telephone number or an
id, or by all words of the name, in whatever order and spelling. Rather one row too many is taken out than one too few.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, BigInteger, String, any_, cast, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.imports.content import unpacked
from kith.imports.tables import FAULTS, IMPORTS, PIECES
from kith.jobs.table import OPEN, JobState
from kith.nouns.aggregate import Aggregate
from kith.nouns.resource import Resource
from kith.nouns.search.words import folded, words_of
from kith.runtime.slices import in_slices

REASON = "It names somebody who was erased."
"""Takes the place of the reason, which may quote the row."""
_ROWS = 500
_LEAST = 4
"""Characters of a value of a custom field by which a row is recognised."""
_LAST_DIGITS = 7
"""Of a telephone number: what is dialled before them is written in many ways."""
_BETWEEN_DIGITS = re.compile(r"[\s()./+-]")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


class KnownBy(msgspec.Struct, omit_defaults=True):
    """What rows name a person by."""

    names: list[str] = []
    numbers: list[str] = []
    texts: list[str] = []
    """Addresses of e-mail, ids, values of custom fields: one that is there is there as a whole."""

    @classmethod
    def of(cls, resource: Resource, record: Aggregate, changes: Iterable[Mapping[str, Any]]) -> "KnownBy":
        """Of a record as it is, and as it was by the changes of its history."""
        was = {each: [value for one in changes for value in one.get(each, ())] for each in resource.view_fields}
        found = cls(texts=[str(record.id), *([record.external_id] if record.external_id else [])])
        for field in resource.searched_fields:
            for value in (getattr(record, field.field), *was[field.field]):
                for each in _texts(value, field.part):
                    into = found.numbers if field.is_number else found.texts if "@" in each else found.names
                    into.append(each)
        if resource.is_customisable:
            for value in (getattr(record, "custom_personal", None), *was.get("custom_personal", ())):
                found.texts += [each for each in _strings(value) if len(each) >= _LEAST]
        return cls(*([*dict.fromkeys(each)] for each in (found.names, found.numbers, found.texts)))


def _texts(value: Any, part: str | None) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        text = each if part is None else each.get(part) if isinstance(each, dict) else getattr(each, part, None)
        if isinstance(text, str):
            yield text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


class Looking:
    """Tells which rows name a person."""

    def __init__(self, person: KnownBy) -> None:
        self._names = [words for each in person.names if (words := frozenset(words_of(folded(each))))]
        self._digits = [digits[-_LAST_DIGITS:] for each in person.numbers if (digits := re.sub(r"\D", "", each))]
        self._texts = [folded(each) for each in person.texts]

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, self._texts))})(?!\w)")

    def finds(self, record: str) -> bool:
        text = _plain(record)
        return self._may_find(text) and self._finds(text)

    def finds_any(self, records: Sequence[str]) -> bool:
        text = _plain("\n".join(records))
        return self._may_find(text) and any(self._finds(_plain(each)) for each in records)

    def _may_find(self, text: str) -> bool:
        """Whether to look closer: this is quick, for many rows at once."""
        if any(each in text for each in self._texts) or any(all(w in text for w in words) for words in self._names):
            return True
        return bool(self._digits) and any(each in _BETWEEN_DIGITS.sub("", text) for each in self._digits)

    def _finds(self, text: str) -> bool:
        if self._texts and self._whole.search(text):
            return True
        words = frozenset(words_of(text)) if self._names else frozenset[str]()
        if any(each <= words for each in self._names):
            return True
        return bool(self._digits) and any(each in _BETWEEN_DIGITS.sub("", text) for each in self._digits)


def _plain(record: str) -> str:
    """Returns a row as it is compared: JSON may write any letter by its number."""
    if "\\u" in record:
        record = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), record)
    return folded(record)


async def forget(engine: AsyncEngine, tenant: str, person: KnownBy) -> int:
    """Takes a person out of what is kept of a tenant's imports. Returns how many refused rows it was in. It is done in
    transactions of its own, some rows at a time, and may be done again."""
    looking, i = Looking(person), IMPORTS.c
    async with engine.connect() as connection:
        uploads = await _uploads(connection, tenant)
        imports = (await connection.scalars(select(i.id).where(i.tenant_id == tenant))).all()
    for each in uploads:
        await _forget_content(engine, tenant, each, looking)
    return sum([await _forget_faults(engine, tenant, each, looking) for each in imports])


async def _uploads(connection: AsyncConnection, tenant: str) -> Sequence[UUID]:
    """Returns those that no import is going to need, unless it is applied or resumed."""
    p, i = PIECES.c, IMPORTS.c
    is_open = exists().where(
        i.tenant_id == p.tenant_id,
        i.state.in_([each for each in OPEN if each is not JobState.WAITING]),
        i.checkpoint["upload"].astext == cast(p.upload_id, String),
    )
    return (await connection.scalars(select(p.upload_id).where(p.tenant_id == tenant, p.position == 0, ~is_open))).all()


async def _forget_content(engine: AsyncEngine, tenant: str, upload: UUID, looking: Looking) -> None:
    p, position = PIECES.c, 0
    mine = (p.tenant_id == tenant, p.upload_id == upload)
    while True:
        async with engine.connect() as connection:
            piece = await connection.scalar(select(p.records).where(*mine, p.position == position))
        if piece is None:
            return
        if looking.finds_any(unpacked(piece)):
            async with engine.begin() as connection:
                await connection.execute(delete(PIECES).where(*mine))
            return
        position += 1


async def _forget_faults(engine: AsyncEngine, tenant: str, id: UUID, looking: Looking) -> int:
    f, last, found = FAULTS.c, 0, set[int]()
    query = select(f.row, f.reason, f.record).where(f.tenant_id == tenant, f.import_id == id).order_by(f.row)
    while True:
        async with engine.begin() as connection:
            rows = (await connection.execute(query.where(f.row > last).limit(_ROWS))).all()
            named = [each.row async for each in in_slices(rows) if looking.finds(f"{each.record}\n{each.reason}")]
            if named:
                them = (f.tenant_id == tenant, f.import_id == id, f.row == any_(cast(named, ARRAY(BigInteger))))
                await connection.execute(update(FAULTS).where(*them).values(record="", reason=REASON))
                found |= {*named}
        if len(rows) < _ROWS:
            break
        last = rows[-1].row
    await _forget_job(engine, tenant, id, looking, found)
    return len(found)


async def _forget_job(engine: AsyncEngine, tenant: str, id: UUID, looking: Looking, rows: set[int]) -> None:
    """A job itself tells its first faults, and the columns of its file, which may have had no row of names."""
    i = IMPORTS.c
    mine = (i.tenant_id == tenant, i.id == id)
    async with engine.begin() as connection:
        query = select(i.params, i.report, i.checkpoint).where(*mine).with_for_update()
        if (job := (await connection.execute(query)).one_or_none()) is None:
            return
        values = {}
        if (report := _without(job.report, looking, rows)) != job.report:
            values["report"] = report
        held = job.checkpoint or {}
        if (report := _without(held.get("report"), looking, rows)) != held.get("report"):
            values["checkpoint"] = {**held, "report": report}
        if looking.finds(" ".join(job.params.get("columns", ()))):
            values["params"] = {**job.params, "columns": [], "mapping": {}}
        if values:
            await connection.execute(update(IMPORTS).where(*mine).values(**values))


def _without(report: Any, looking: Looking, rows: set[int]) -> Any:
    if not report:
        return report
    faults = [
        {**each, "reason": REASON} if each["row"] in rows or looking.finds(each["reason"]) else each
        for each in report.get("faults", ())
    ]
    return {**report, "faults": faults}
