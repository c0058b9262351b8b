"""The value objects of what was agreed with a customer."""

from dataclasses import dataclass
from enum import StrEnum

from kith.scalars import Instant, Text, Website
from kith.values import Value

MOST_LINKS, MOST_RESULTS = 50, 200
"""Of one record."""


class LinkKind(StrEnum):
    EVIDENCE = "evidence"
    CASE_STUDY = "case_study"
    REFERENCE = "reference"
    DOCUMENT = "document"


@dataclass(frozen=True, kw_only=True, slots=True)
class Link(Value):
    """Where something is to be read about it."""

    kind: LinkKind
    url: Website
    title: Text | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedResult(Value):
    """What came of a goal, as the customer was told."""

    shared_at: Instant
    result: Text
    url: Website | None = None
