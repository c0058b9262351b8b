"""The inputs of value objects: of a list of them within a noun."""

from dataclasses import MISSING, dataclass, fields
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from kith.values import Value, as_sent, derived, is_filled, part_types, value_in


@dataclass(frozen=True)
class Values:
    """Reads a list of at most so many value objects: `Annotated[list[EmailAddress], Values(20)]`. It is as strict as
    inputs are, and names what is wrong by its place: `emails.0.address`."""

    most: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kind = value_in(source)
        assert kind is not None, source

        def made(sent: BaseModel) -> Value:
            return kind(**dict(sent))

        each = core_schema.no_info_after_validator_function(made, handler.generate_schema(input_of(kind)))
        written = core_schema.plain_serializer_function_ser_schema(as_sent)
        return core_schema.list_schema(each, max_length=self.most, strict=True, serialization=written)


@derived
def input_of(kind: type[Value]) -> type[BaseModel]:
    """Returns the model of a value object's input: the parts as their scalars spell them, and nothing unknown."""
    parts: dict[str, Any] = {each.name: (_type(kind, each), _default(each)) for each in fields(kind)}
    config = ConfigDict(strict=True, extra="forbid", frozen=True)
    return create_model(f"{kind.__name__}Input", __config__=config, __doc__=kind.__doc__, **parts)


def _type(kind: type[Value], part: Any) -> Any:
    of_part = part_types(kind)[part.name]
    return of_part | None if is_filled(part) else of_part


def _default(part: Any) -> Any:
    if part.default_factory is not MISSING:
        return Field(default_factory=part.default_factory)
    return ... if part.default is MISSING else part.default
