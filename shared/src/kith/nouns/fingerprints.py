"""Recognises a repeated call: by the values that are kept of it, never by how they were spelt.

An input has its values in the form in which they are kept (kith.scalars): instants in UTC, texts in one form of
Unicode, amounts with all their decimals. Earlier versions had them as they were sent, and rows written then have such
fingerprints.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel

from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input


def fingerprint(what: str, given: Input) -> int:
    # Defaults are left out: a field added to an input later must not make old calls look different.
    body = f"{what}/{given.model_dump_json(exclude_defaults=True)}"
    return int.from_bytes(blake2b(body.encode(), digest_size=8).digest(), signed=True)


_ODD = re.compile(rb'[+-]\d\d:\d\d"|[\x80-\xff]|\\u|\[|@[^"]*[A-Z]')
"""Matches an instant with an offset, text that is not ASCII, a list, or a domain of e-mail with capitals."""


def is_odd(sent: bytes) -> bool:
    """Whether a body may be spelt otherwise than its values are kept."""
    return _ODD.search(sent) is not None


def as_defaulted(given: Input) -> Input:
    """Returns the input without the values that an earlier version had as defaults."""
    former = [name for name, default in given.FORMER_DEFAULTS.items() if getattr(given, name) == default]
    return (
        given.model_copy(update={name: type(given).model_fields[name].default for name in former}) if former else given
    )


def as_spelt(given: Input, sent: bytes) -> Input:
    """Returns the input with its values as an earlier version parsed them from the same body."""
    body: Mapping[str, Any] = json.loads(sent)
    return given.model_copy(update={name: _spelt(value, body[name]) for name, value in given if name in body})


def _spelt(kept: Any, sent: Any) -> Any:
    if isinstance(kept, datetime) and isinstance(sent, str):
        return datetime.fromisoformat(sent)
    if isinstance(kept, str) and isinstance(sent, str) and not isinstance(kept, Enum):
        return sent.strip()
    if isinstance(kept, list) and isinstance(sent, list):
        return _spelt_list(kept, sent)
    if isinstance(kept, dict) and isinstance(sent, dict) and kept.keys() == sent.keys():
        return {name: _spelt(kept[name], value) for name, value in sent.items()}
    if isinstance(kept, BaseModel) and isinstance(sent, dict):
        names = {name: field.alias or name for name, field in type(kept).model_fields.items()}
        return kept.model_copy(update={n: _spelt(getattr(kept, n), sent[a]) for n, a in names.items() if a in sent})
    return kept


def _spelt_list(kept: list[Any], sent: list[Any]) -> list[Any]:
    if any(isinstance(each, Enum) for each in kept):
        return kept
    if all(isinstance(each, str) for each in (*kept, *sent)):
        return [each.strip() for each in sent]
    if len(kept) == len(sent):
        return [_spelt(*each) for each in zip(kept, sent, strict=True)]
    return kept


def are_alike(one: Aggregate, other: Aggregate) -> bool:
    """Whether both were created with the same values. Neither may have changed since."""
    kept, made = (
        {name: _folded(value) for name, value in vars(each).items() if name not in _OWN} for each in (one, other)
    )
    return kept == made


_OWN = frozenset({"id", "external_hash", "version"})


def _folded(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) and not isinstance(value, Enum) else value
