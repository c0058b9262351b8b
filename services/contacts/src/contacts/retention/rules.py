"""Retention: how long a tenant keeps what says who somebody is. What is older is erased, and stays counted."""

from collections.abc import Sequence

from contacts.values import RetentionNoun, RetentionRule, RetentionSince
from kith.errors import Invalid


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
