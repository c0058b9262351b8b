"""The entries of the values of custom fields: what lists are filtered and sorted by, and what is unique."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from kith.custom.field import CustomField
from kith.custom.reading import keys_of


def entries_of(tenant: str, record: UUID, field: CustomField, value: Any) -> Iterator[dict[str, Any]]:
    """Yields the rows of a record's value of a field that has entries."""
    for place, key in enumerate(keys_of(field.value_type, value)):
        is_text = isinstance(key, str) or field.unique
        yield {
            "tenant_id": tenant,
            "record_id": record,
            "field_id": field.id,
            "place": place,
            "text": str(key) if is_text else None,
            "number": key if isinstance(key, int) else None,
            "is_unique": field.unique,
        }
