"""What a service writes its GraphQL fields with: typed fields and subscriptions, and pages of a list."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Generic, TypeVar

import strawberry

from kith.graphql.context import Ctx
from kith.graphql.inputs import checked
from kith.nouns.lists.pages import Page

N = TypeVar("N")


@strawberry.federation.type(shareable=True)
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Connection(Generic[N]):
    """A page of a list. For the next one send `pageInfo.endCursor` as `after`."""

    nodes: list[N]
    page_info: PageInfo


def connection_of(page: Page[N]) -> Connection[N]:
    return Connection(nodes=page.rows, page_info=page_info_of(page))


def page_info_of(page: Page[Any]) -> PageInfo:
    return PageInfo(has_next_page=page.next is not None, end_cursor=page.next)


def field(*, description: str, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """`strawberry.field` with its words, typed. Its arguments are read as kith.scalars has them."""
    return lambda resolver: strawberry.field(checked(resolver), description=description, name=name)


def subscription(*, description: str, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """`strawberry.subscription` with its words, typed. What it decorates checks the arguments, and returns `watching`
    the events."""
    return lambda resolver: strawberry.subscription(checked(resolver), description=description, name=name)


async def watching(info: Ctx, events: AsyncIterator[N]) -> AsyncGenerator[N, None]:
    """Yields the events of a subscription while it holds a slot. Raises TooManySubscriptions."""
    context = info.context
    with context.service.subscription_limiter.subscription(context.actor.tenant):
        async for event in events:
            context.forget()
            yield event
