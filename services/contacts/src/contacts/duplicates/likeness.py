"""How alike two records are, of 100, and why. It is a measure for people who decide, and no probability."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from rapidfuzz import fuzz

from kith.nouns.search.words import folded, is_cjk, query_words

LEAST = 75
"""Pairs that score less are not listed."""
_SIMILAR = 80

_LEGAL_FORMS = frozenset(
    [
        *("ag", "bv", "co", "company", "corp", "corporation", "gmbh", "inc", "kg", "kk", "limited", "llc", "llp"),
        *("ltd", "nv", "oy", "plc", "pty", "sa", "sarl", "sas", "spa", "srl"),
    ]
)
_LEGAL_FORMS_CJK = ("股份有限公司", "有限责任公司", "有限公司", "株式会社", "有限会社", "주식회사")


class Reason(StrEnum):
    """Why two records may be one."""

    SAME_EMAIL = "same_email"
    SAME_PHONE = "same_phone"
    SAME_WEBSITE = "same_website"
    SAME_NAME = "same_name"
    """But for accents, capitals, legal forms and the order of words."""
    SIMILAR_NAME = "similar_name"
    SAME_CUSTOMER = "same_customer"


class Likeness(NamedTuple):
    score: int
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Sketch:
    """What of a record is compared."""

    id: UUID
    name: str
    kind: str | None = None
    """Of a customer: a person and an organisation are not one."""
    host: str | None = None
    """Of its website."""
    customer_id: UUID | None = None
    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()

    @classmethod
    def of(cls, record: Any) -> "Sketch":
        """Of a record, or of a row of its table."""
        return cls(
            id=record.id,
            name=plain(record.name or ""),
            kind=getattr(record, "kind", None),
            host=host_of(getattr(record, "website", None)),
            customer_id=getattr(record, "customer_id", None),
            emails=frozenset(folded(each.address) for each in getattr(record, "emails", ())),
            phones=frozenset(each.number for each in getattr(record, "phones", ())),
        )


def plain(name: str) -> str:
    """Returns the words of a name in the order of the alphabet, without the form of a company."""
    words = list(_without_forms(query_words(folded(name))))
    return " ".join(sorted(words or query_words(folded(name))))


def _without_forms(words: list[str]) -> Iterator[str]:
    for word in words:
        if is_cjk(word):
            for form in _LEGAL_FORMS_CJK:
                word = word.removeprefix(form).removesuffix(form) or word  # noqa: PLW2901 - what is left of it
            yield word
        elif word not in _LEGAL_FORMS:
            yield word


def host_of(website: str | None) -> str | None:
    try:
        host = urlsplit(website or "").hostname
    except ValueError:  # `http://[::1`
        return None
    return None if host is None else host.removeprefix("www.")


def likeness(one: Sketch, other: Sketch) -> Likeness:
    """A shared address, number or website counts for most of the score, and the name for the rest. Names alone count
    for less of people, who are called alike more often, and for more of those who are at one customer."""
    if one.kind != other.kind:
        return Likeness(0, [])
    name = fuzz.ratio(one.name, other.name) if one.name and other.name else 0.0
    reasons = list(_reasons(one, other, name))
    is_person = one.kind != "organisation" and Reason.SAME_CUSTOMER not in reasons
    scores = [name * (0.8 if is_person else 0.95)]
    if Reason.SAME_EMAIL in reasons:
        scores.append(80 + 0.2 * name)
    if Reason.SAME_WEBSITE in reasons:
        scores.append(70 + 0.3 * name)
    if Reason.SAME_PHONE in reasons:  # many at a company have the number of its switchboard
        scores.append(60 + 0.4 * name)
    if {Reason.SAME_EMAIL, Reason.SAME_PHONE} <= {*reasons}:
        scores.append(95 + 0.05 * name)
    return Likeness(round(max(scores)), reasons)


def _reasons(one: Sketch, other: Sketch, name: float) -> Iterator[Reason]:
    if one.emails & other.emails:
        yield Reason.SAME_EMAIL
    if one.phones & other.phones:
        yield Reason.SAME_PHONE
    if one.host is not None and one.host == other.host:
        yield Reason.SAME_WEBSITE
    if name >= 100:
        yield Reason.SAME_NAME
    elif name >= _SIMILAR:
        yield Reason.SIMILAR_NAME
    if one.customer_id is not None and one.customer_id == other.customer_id:
        yield Reason.SAME_CUSTOMER
