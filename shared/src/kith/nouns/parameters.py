"""The names and parameters of REST operations: bodies and rows of a noun."""

import re
from inspect import cleandoc
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Request
from pydantic import BaseModel, Field, create_model

from kith.errors import Invalid
from kith.nouns.inputs import read
from kith.nouns.lists.pages import MAX_PAGE
from kith.nouns.resource import Command, Resource
from kith.scalars import Code, Id, Instant, Key, Whole

First = Annotated[int, Whole(1, MAX_PAGE)]

IfMatch = Annotated[str | None, Header(description='The version it must be at, as its ETag: `"3"`')]
IdempotencyKey = Annotated[
    Key | None, Header(description="Sent again, the request is answered as before and not done again")
]


def row_model(command: Command) -> Any:
    """Returns the model of a row of a bulk request: the command's input, the command, its target, and when it
    happened."""
    verb: Any = Literal[command.name]
    target: dict[str, Any] = {"command": (verb, command.name), "external_id": (Code, ...)}
    if not command.creates:
        which = Field(default=None, description="its own key; or the id")
        target = {"command": (verb, ...), "external_id": (Code | None, which), "id": (Id | None, None)}
    return create_model(f"{command.input.__name__}Row", __base__=command.input, **target, occurred_at=(Instant, ...))


def version_of(if_match: str | None) -> int | None:
    """Returns the version that an ETag states. Raises Invalid unless it is an ETag of this API, or `*`."""
    if if_match is None or if_match == "*":
        return None
    if not (tag := re.fullmatch('"(0|[1-9][0-9]{0,9})"', if_match)):
        raise Invalid('It is the version in quotes, as in "3".', field="If-Match")
    return int(tag[1])


def described(command: Command) -> str:
    """Returns the description of a command: the docstring of its rule."""
    return cleandoc(command.rule.__doc__ or "Returns it as it is then; its version is the ETag.")


def operation(command: Command, resource: Resource) -> str:
    """Returns the operation's id: `winOpportunity`."""
    return command.name + pascal(resource.name)


def pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def type_name(noun: str) -> str:
    """Returns the name of the noun's type in GraphQL: `Opportunity`. Those of the root types are taken."""
    name = pascal(noun)
    return f"{name}Record" if name in {"Query", "Mutation", "Subscription"} else name


def several(resource: Resource) -> str:
    return resource.plural.replace("_", " ")


def article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def body_of(model: type[BaseModel], *, optional: bool = False) -> dict[str, Any]:
    """Returns the OpenAPI of an operation with this body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": not optional, "content": {"application/json": {"schema": schema}}}}


def body(model: type[BaseModel], *, optional: bool = False) -> Any:
    """Returns a dependency that parses the body as kith.nouns.inputs does. An empty one is `{}` where it is
    optional."""

    async def given(request: Request) -> Any:
        return read(model, await request.body() or (b"{}" if optional else b"null"))

    return Depends(given)
