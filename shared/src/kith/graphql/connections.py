"""The pages of a noun's list, with the cursor of each of its rows and the number of all of them."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import strawberry

from kith.graphql.fields import PageInfo, page_info_of
from kith.nouns.lists.pages import Page, Total

N = TypeVar("N")


@strawberry.federation.type(shareable=True)
class TotalCount:
    """How many there are on all pages. They are counted up to 10,000: if it is not exact, there are more."""

    count: int
    is_exact: bool


@strawberry.type
class Edge(Generic[N]):
    node: N
    cursor: str
    """Send it as `after` for what comes behind this one."""


@strawberry.type(name="Connection")
class NounConnection(Generic[N]):
    """A page of a list. For the next one send `pageInfo.endCursor` as `after`, with everything else as it was."""

    nodes: list[N]
    page_info: PageInfo
    cursor_of: strawberry.Private[Callable[[int], str]]
    counted: strawberry.Private[Callable[[], Awaitable[Total]]]

    @strawberry.field
    def edges(self) -> list[Edge[N]]:
        return [Edge(node=node, cursor=self.cursor_of(number)) for number, node in enumerate(self.nodes)]

    @strawberry.field(description="Counted only where it is asked for.")  # type: ignore[untyped-decorator]
    async def total_count(self) -> TotalCount:
        total = await self.counted()
        return TotalCount(count=total.count, is_exact=total.is_exact)


def noun_connection(page: Page[N], counted: Callable[[], Awaitable[Total]]) -> NounConnection[N]:
    assert page.cursor_of is not None
    return NounConnection(nodes=page.rows, page_info=page_info_of(page), cursor_of=page.cursor_of, counted=counted)
