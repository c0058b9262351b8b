"""What a list of a noun is sorted by, over GraphQL: `orderBy: [{field: VALUE, direction: DESC, nulls: LAST}]`."""

from collections.abc import Sequence
from dataclasses import field, make_dataclass
from enum import Enum
from typing import Any, cast

import strawberry

from kith.errors import Invalid
from kith.nouns.lists.listing import Listing
from kith.nouns.lists.order import Term
from kith.nouns.parameters import pascal


@strawberry.enum
class SortDirection(Enum):
    ASC = "asc"
    DESC = "desc"


@strawberry.enum
class SortNulls(Enum):
    """Where the rows stand that have no value."""

    FIRST = "first"
    LAST = "last"


def order_input(listing: Listing) -> Any:
    """Returns the input of a term, of the fields that the noun's lists are sorted by."""
    plural = pascal(listing.resource.plural)
    names = {each.name.upper(): each.name for each in listing.fields.values() if each.sorts}
    fields: Any = strawberry.enum(cast("type[Enum]", Enum(f"{plural}OrderField", names)))
    named: list[Any] = [("field", fields)]
    if listing.customisable:
        custom = strawberry.field(default=None, description="the code of a custom field, in place of a field")
        named = [("field", fields | None, field(default=None)), ("custom", str | None, custom)]
    return strawberry.input(
        make_dataclass(
            f"{plural}Order",
            [
                *named,
                ("direction", SortDirection, field(default=SortDirection.ASC)),
                ("nulls", SortNulls, field(default=SortNulls.LAST)),
            ],
            kw_only=True,
        )
    )


def terms_of(order_by: Sequence[Any] | None) -> list[Term]:
    """Raises Invalid for a term that names no field, or two."""
    return [
        Term(_name_of(each), each.direction is SortDirection.DESC, each.nulls is SortNulls.FIRST)
        for each in order_by or ()
    ]


def _name_of(term: Any) -> str:
    code = getattr(term, "custom", None)
    if (code is None) is (term.field is None):
        raise Invalid("It names a field or a custom field: one of them.", field="orderBy")
    return str(term.field.value) if code is None else f"custom.{code}"
