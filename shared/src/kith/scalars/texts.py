"""Texts, ids, and names of a list."""

import re
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar
from uuid import UUID

from pydantic_core import CoreSchema, core_schema

from kith.scalars.scalar import JsonSchemaOf, Scalar, refuse

_NOT_SEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs that are blank, beside what Unicode calls a space, a mark or a format character."""


@dataclass(frozen=True)
class Written(Scalar):
    """Text of 1 to `most` characters, as it is kept: in Unicode's form NFC, without space around it."""

    most: int
    lines: bool = False
    """Whether it may have more than one."""
    spelling: str = ""
    """What it is like besides, a regular expression, if anything is said."""
    rule: str = ""

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str):
            return sent
        # Nearly all are plain, and need not be looked through.
        text = (sent if sent.isascii() and sent.isprintable() else self._looked_through(sent)).strip()
        if self.spelling and not re.fullmatch(self.spelling, text):
            refuse(self.rule)
        return text

    def _looked_through(self, text: str) -> str:
        allowed = "\n\t" if self.lines else ""
        if self.lines:
            text = text.replace("\r\n", "\n")
        kinds = {each: unicodedata.category(each) for each in set(text) - set(allowed)}
        if "Cs" in kinds.values():
            refuse("It has half a surrogate pair, which is no character.")
        if not {"Cc", "Zl", "Zp"}.isdisjoint(kinds.values()):
            wrong = min(each for each, kind in kinds.items() if kind in ("Cc", "Zl", "Zp"))
            refuse(f"It has a control character or a line break, U+{ord(wrong):04X}.")
        if text and all(kind[0] in "CZM" or each in _NOT_SEEN for each, kind in kinds.items()):
            refuse("It has nothing in it that can be seen.")
        return unicodedata.normalize("NFC", text)

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True, min_length=1, max_length=self.most)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: JsonSchemaOf) -> dict[str, Any]:
        return handler(schema) | ({"pattern": f"^{self.spelling}$"} if self.spelling else {})


@dataclass(frozen=True)
class LookedFor(Scalar):
    """Text that is compared with what is kept, and so is taken as it was sent; of as many characters at most."""

    most: int

    def read(self, sent: Any) -> Any:
        if isinstance(sent, str) and ("\0" in sent or any("\ud800" <= each <= "\udfff" for each in sent)):
            refuse("It has a character that no text has: U+0000, or half a surrogate pair.")
        return sent

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True, max_length=self.most)


@dataclass(frozen=True)
class Pattern(Scalar):
    """Text of ASCII characters that is spelt so."""

    spelling: str
    rule: str

    def read(self, sent: Any) -> Any:
        if isinstance(sent, str) and not re.fullmatch(self.spelling, sent, re.ASCII):
            refuse(self.rule)
        return sent

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: JsonSchemaOf) -> dict[str, Any]:
        return handler(schema) | {"pattern": f"^{self.spelling}$"}


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class IdScalar(Scalar):
    json_schema: ClassVar = {"type": "string", "format": "uuid"}

    def read(self, sent: Any) -> UUID:
        if isinstance(sent, UUID):
            return sent
        if not isinstance(sent, str) or not _UUID.fullmatch(sent):
            refuse("It is a UUID with its hyphens, as in 019ca000-0000-7000-8000-000000000002.")
        return UUID(sent)

    def kept(self) -> CoreSchema:
        return core_schema.uuid_schema(strict=True)


@dataclass(frozen=True)
class Listed(Scalar):
    """One of a list that is kept elsewhere, too long to be shown: the nearest are."""

    what: str
    example: str
    known: frozenset[str]

    def read(self, sent: Any) -> Any:
        if isinstance(sent, str) and sent not in self.known:
            refuse(f"It is not {self.what}. For instance: {self._nearest(sent)}.")
        return sent

    def _nearest(self, sent: str) -> str:
        if len(sent) > 100:  # longer than any
            return self.example
        folded, given = {each.casefold(): each for each in self.known}, sent.casefold()
        # What was typed is often the end of a name: `Vienna`.
        near = [each for low, each in sorted(folded.items()) if low.endswith(f"/{given}")]
        near += [folded[each] for each in get_close_matches(given, folded, n=3)]
        return ", ".join(dict.fromkeys(near)) or self.example

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True)


@dataclass(frozen=True)
class CurrencyScalar(Listed):
    json_schema: ClassVar = {"type": "string", "pattern": "^[A-Z]{3}$"}
