"""Lead scoring: what a tenant's leads get points for. There is one per tenant, and it is always there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from kith.errors import Invalid
from kith.events.leads import LeadScoringChanged
from kith.nouns.aggregate import Aggregate
from sales.lead_scoring.values import NUMERIC, SINGLE, ScoringOperator, ScoringRule, is_number

SCORABLE = (
    *("campaign", "company", "country", "duplicate_of_id", "email", "email_domain", "phone", "queue_id", "source"),
    "title",
)
"""The fields of a lead that a rule may look at, beside those that the tenant defines."""
_CUSTOM = re.compile(r"custom(_personal)?\..+")
_NAMESPACE = UUID("5b1d5f0a-6c2e-4b39-9d0e-7f7a5c0f2d11")


@dataclass(kw_only=True, eq=False)
class LeadScoring(Aggregate):
    """The rules by which a tenant's leads are scored."""

    rules: list[ScoringRule] = field(default_factory=list)
    most: int = 100
    """No score is above it, and none below 0."""
    threshold: int | None = None
    """A lead that comes to it is worth a call: that is an event. None: none does."""
    qualifies_leads: bool = False
    """Whether a lead that comes to the threshold is qualified by that."""
    number: int = 0
    """Of this version of what scores follow from."""

    @classmethod
    def singleton(cls, tenant: str) -> Self:
        return cls(id=uuid5(_NAMESPACE, tenant))

    def amend(self, *, at: datetime, **fields: Any) -> LeadScoringChanged:
        """Only the fields sent change; rules are sent whole. Open leads are scored anew by and by."""
        self.ensure_not_before_last_change(at)
        changed = self.set(fields)
        _check(self.rules)
        if self.threshold is not None and self.threshold > self.most:
            raise Invalid(f"No score is above {self.most}.", field="threshold")
        if {"rules", "most", "threshold"} & {*changed}:
            self.number += 1
        return LeadScoringChanged.of(self)


def _check(rules: Sequence[ScoringRule]) -> None:
    """Raises Invalid."""
    keys = set[str]()
    for place, each in enumerate(rules):
        if each.key in keys:
            raise Invalid(f"Another rule has the key {each.key}.", field=f"rules.{place}.key")
        keys.add(each.key)
        if each.field not in SCORABLE and not _CUSTOM.fullmatch(each.field):
            rule = f"It is one of {', '.join(SCORABLE)}, or a field of your own as custom.code."
            raise Invalid(rule, field=f"rules.{place}.field")
        if not each.values or (each.operator in SINGLE and len(each.values) > 1):
            rule = "It compares with one value." if each.operator in SINGLE else "It compares with some values."
            raise Invalid(rule, field=f"rules.{place}.values")
        if each.operator is ScoringOperator.IS_NULL and each.values[0] not in ("true", "false"):
            raise Invalid("It is true or false.", field=f"rules.{place}.values")
        if each.operator in NUMERIC and not is_number(each.values[0]):
            raise Invalid("It is a number.", field=f"rules.{place}.values")
