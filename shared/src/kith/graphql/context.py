"""What the resolvers of one GraphQL request share."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from strawberry import Info
from strawberry.dataloader import DataLoader
from strawberry.fastapi import BaseContext

from kith.audit.disclosures import Disclosure
from kith.http.app import Context
from kith.http.auth import Actor

N = TypeVar("N")
K = TypeVar("K", bound=Hashable)


class GraphQLContext(BaseContext):
    """Of one request: who asks, and the loaders that batch what its resolvers ask for."""

    def __init__(self, actor: Actor, service: Context) -> None:
        super().__init__()
        self.actor = actor
        self.service = service
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    @property
    def sees_personal(self) -> bool:
        """Whether who asks is shown the personal fields of this service's nouns."""
        return self.actor.sees_personal(self.service.service)

    @property
    def disclosure(self) -> Disclosure | None:
        """The same, and where it is noted what was shown."""
        return self.service.disclosure_to(self.actor)

    def recorded(self, at: datetime) -> None:
        """Says in the answer where this write stands: see kith.http.positions."""
        if self.response is not None:
            self.response.headers.update(self.service.position(at))

    def again(self) -> "GraphQLContext":
        """For another operation of the same actor: loaders keep what they have loaded."""
        return GraphQLContext(self.actor, self.service)

    def forget(self) -> None:
        """What was loaded: a subscription's next event is of another instant."""
        self._loaders.clear()

    def load(self, name: Hashable, key: K, batch: Callable[[Sequence[K]], Awaitable[Mapping[K, N]]]) -> Awaitable[N]:
        """The value of `key`, loaded together with all others requested under the same name. None if absent."""

        async def in_order(keys: list[K]) -> list[N | None]:
            found = await batch(keys)
            return [found.get(each) for each in keys]

        loader = self._loaders.setdefault(name, DataLoader(load_fn=in_order))
        return loader.load(key)


Ctx = Info[GraphQLContext, None]
