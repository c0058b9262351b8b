"""Ids that say of which noun a record is, as Relay has them: `nodeId`, and the interface `Node`. Records keep their
`id`, which is a UUID."""

from base64 import b64decode, b64encode
from typing import Any, NamedTuple
from uuid import UUID

import strawberry

from kith.errors import Invalid
from kith.scalars import Id, reading

_field: Any = strawberry.field
_shareable: Any = strawberry.federation.field
_WORDS = "Its noun and its id, in one: no other record of any noun has it."


def node_id_of(record: Any) -> strawberry.ID:
    return strawberry.ID(b64encode(f"{type(record).__name__}:{record.id}".encode()).decode())


def _node_id(self: Any) -> strawberry.ID:
    return node_id_of(self)


@strawberry.interface(description="A record of any noun. `node` finds it by its `nodeId`.")
class Node:
    node_id: strawberry.ID = _field(_node_id, name="nodeId", description=_WORDS)


def node_id_field() -> Any:
    """Returns the field of a type that implements Node. Every subgraph that has the type resolves it."""
    return _shareable(_node_id, name="nodeId", description=_WORDS, shareable=True)


class NodeId(NamedTuple):
    type: str
    id: UUID

    @classmethod
    def of(cls, sent: str) -> "NodeId":
        """Raises Invalid."""
        try:
            type, _, id = b64decode(sent, validate=True).decode().partition(":")
        except ValueError as error:
            raise Invalid("It is not a nodeId, as records have it.", field="id") from error
        return cls(type, reading(Id, id, field="id"))
