"""What a list of a noun is sorted by, over GraphQL: `orderBy: [{field: VALUE, direction: DESC, nulls: LAST}]`."""

from collections.abc import Sequence
from dataclasses import field, make_dataclass
from enum import Enum
from typing import Any, cast

import strawberry

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
    return strawberry.input(
        make_dataclass(
            f"{plural}Order",
            [
                ("field", fields),
                ("direction", SortDirection, field(default=SortDirection.ASC)),
                ("nulls", SortNulls, field(default=SortNulls.LAST)),
            ],
            kw_only=True,
        )
    )


def terms_of(order_by: Sequence[Any] | None) -> list[Term]:
    return [
        Term(each.field.value, each.direction is SortDirection.DESC, each.nulls is SortNulls.FIRST)
        for each in order_by or ()
    ]
