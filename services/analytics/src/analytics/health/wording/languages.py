"""The languages that health is explained in."""

from collections.abc import Mapping

from analytics.health.wording.chinese import Chinese
from analytics.health.wording.english import English
from analytics.health.wording.words import Language, Wording
from kith.errors import Invalid

WORDINGS: Mapping[Language, Wording] = {Language.ENGLISH: English(), Language.CHINESE: Chinese()}


def language_of(name: str | None, accepted: str | None = None) -> Language:
    """The one that is named; else what is liked best of an Accept-Language header (RFC 9110, section 12.5.4), as far as
    it is here; else English. Raises Invalid for a name that is none of these."""
    if name is not None:
        if (found := _found(name)) is None:
            raise Invalid(f"There is no language {name!r}. There are: {', '.join(Language)}.", field="language")
        return found
    liked = sorted(_ranges(accepted or ""), key=lambda each: -each[1])
    return next((found for tag, _ in liked if (found := _found(tag)) is not None), Language.ENGLISH)


def _found(tag: str) -> Language | None:
    """`zh-Hans-CN` is Chinese."""
    primary = tag.strip().lower().partition("-")[0]
    return next((each for each in Language if each == primary), None)


def _ranges(header: str) -> list[tuple[str, float]]:
    found = []
    for each in header.split(","):
        tag, _, weight = each.partition(";q=")
        try:
            liking = float(weight) if weight else 1.0
        except ValueError:
            continue
        if liking > 0:
            found.append((tag, liking))
    return found
