"""The custom fields of a tenant as a process knows them: read once, and trusted for a while.

What was read is trusted for `TRUSTED_SECONDS`, and read again at once where a field is named that is not among it: so
long after its event has arrived may a field that was archived or removed be written still.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.custom.field import CustomField
from kith.custom.tables import DEFINITIONS
from kith.db.statements import Statement
from kith.db.tables import TenantId

TRUSTED_SECONDS = 2.0
MOST_TRUSTED = 10_000


@dataclass(frozen=True)
class Fields:
    """Of all nouns of a tenant."""

    all: tuple[CustomField, ...]
    """Removed ones as well, while records may have values of them."""
    gone: frozenset[Any]
    """The ids of those."""

    @cached_property
    def _by_noun(self) -> Mapping[str, Mapping[str, CustomField]]:
        found: dict[str, dict[str, CustomField]] = {}
        for each in self.all:
            if each.id not in self.gone and (each.of_noun, each.code) not in self._contested:
                found.setdefault(each.of_noun, {})[each.code] = each
        return found

    @cached_property
    def _contested(self) -> frozenset[tuple[str, str]]:
        """The codes whose values may be those of another field, which was removed, or whose removal has not arrived."""
        seen, twice = set[tuple[str, str]](), set[tuple[str, str]]()
        for each in self.all:
            (twice if (each.of_noun, each.code) in seen else seen).add((each.of_noun, each.code))
        return frozenset(twice)

    def of(self, noun: str) -> Mapping[str, CustomField]:
        """Returns the fields of a noun by their codes."""
        return self._by_noun.get(noun, _NONE)

    def is_contested(self, noun: str, code: str) -> bool:
        return (noun, code) in self._contested


_NONE: Mapping[str, CustomField] = {}


class _Trusted(NamedTuple):
    fields: Fields
    until: float


_trusted: WeakKeyDictionary[Engine, dict[str, _Trusted]] = WeakKeyDictionary()


async def fields_of(connection: AsyncConnection, tenant: str, *, anew: bool = False) -> Fields:
    """Returns the custom fields of a tenant; `anew`: as they are now."""
    now, of_tenants = time.monotonic(), _trusted.setdefault(connection.sync_engine, {})
    if not anew and (trusted := of_tenants.get(tenant)) is not None and now < trusted.until:
        return trusted.fields
    rows = await _STATEMENT.fetch(connection, {"tenant": tenant})
    gone = frozenset(row["id"] for row in rows if row["removed_at"] is not None)
    fields = Fields(tuple(CustomField.of(SimpleNamespace(**dict(row))) for row in rows), gone)
    if len(of_tenants) >= MOST_TRUSTED:
        of_tenants.clear()
    of_tenants[tenant] = _Trusted(fields, now + TRUSTED_SECONDS)
    return fields


def forget(tenant: str) -> None:
    """Of a tenant whose definitions this process has changed: it reads them again."""
    for each in list(_trusted.values()):
        each.pop(tenant, None)


_COLUMNS = [each for each in DEFINITIONS.c if each.name not in ("tenant_id", "swept_at", "version")]
_STATEMENT = Statement(
    select(*_COLUMNS)
    .where(DEFINITIONS.c.tenant_id == bindparam("tenant", type_=TenantId), DEFINITIONS.c.swept_at.is_(None))
    .order_by(DEFINITIONS.c.id)
)
