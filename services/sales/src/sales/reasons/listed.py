"""Holds the reasons that records are given to the tenant's list of their kind, if it has one."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, names_of, values_of
from kith.nouns.resource import Attempt, Check
from sales.reasons.form import reasons
from sales.reasons.rules import ReasonKind

NAMED = 20
"""So many of a list are named where a reason is refused: a bulk may have ten thousand of those."""


def listed_reasons(
    kind_of: Callable[[Any], ReasonKind],
) -> Callable[[AsyncConnection, str, Sequence[Attempt]], Awaitable[Check]]:
    """Returns the `checks` of a form whose inputs may have a `reason`; `kind_of` is given the record as it is then."""

    async def checks(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
        lists: dict[ReasonKind, dict[str, None]] = defaultdict(dict)
        if values_of((given for given, _ in asked), "reason"):
            c = reasons.c
            rows = select(c.kind, c.code).where(c.tenant_id == tenant, c.archived_at.is_(None)).order_by(c.code)
            for row in await connection.execute(rows):
                lists[row.kind][row.code] = None
        rules = {kind: _rule([*codes]) for kind, codes in lists.items()}

        def check(given: Input, record: Aggregate) -> None:
            reason = getattr(given, "reason", None) if lists and "reason" in names_of(type(given)) else None
            if reason is not None and (kind := kind_of(record)) in lists and reason not in lists[kind]:
                raise Invalid(rules[kind], field="reason")

        return check

    return checks


def _rule(codes: Sequence[str]) -> str:
    named, more = ", ".join(codes[:NAMED]), len(codes) - NAMED
    return f"It is one of the reasons {named}{f' and {more} more' if more > 0 else ''}."
