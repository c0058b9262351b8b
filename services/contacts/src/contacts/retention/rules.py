"""Retention: how long a tenant keeps what says who somebody is. What is older is erased, and stays counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from contacts.customers.rules import LifecycleStage
from kith.errors import Invalid
from kith.scalars import Code, Whole
from kith.values import Value

MOST_RULES = 20
LEAST_DAYS = 30


class RetentionNoun(StrEnum):
    """What is erased."""

    CUSTOMER = "customer"
    CONTACT = "contact"
    NOTE = "note"
    ATTACHMENT = "attachment"


class RetentionSince(StrEnum):
    """Since when it is kept."""

    ARCHIVED = "archived"
    """Since it was archived, or its customer was."""
    UNUSED = "unused"
    """Since it was changed last, and since anything was recorded here that names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionRule(Value):
    """What is erased, and after how many days."""

    code: Code
    of: RetentionNoun
    since: RetentionSince
    days: Annotated[int, Whole(LEAST_DAYS, 36_500)]
    stages: list[LifecycleStage] = field(default_factory=list)
    """Of the customer whose record it is. None: any."""


def agreed(rules: Sequence[RetentionRule]) -> list[RetentionRule]:
    """Raises Invalid."""
    seen = set[str]()
    for index, each in enumerate(rules):
        if each.code in seen:
            raise Invalid("There is another rule of this code.", field=f"retention.{index}.code")
        if each.of is RetentionNoun.CUSTOMER and each.since is RetentionSince.UNUSED:
            # Its orders and cases are in other services, which are not asked.
            raise Invalid("A customer is erased only since it was archived.", field=f"retention.{index}.since")
        seen.add(each.code)
    return list(rules)
