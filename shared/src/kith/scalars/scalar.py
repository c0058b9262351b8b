"""What a scalar is: an annotation that reads what was sent, or refuses it with its rule."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# As Pydantic calls an annotation. Scalars are of the domain: they know its core, which validates, and no more of it.
CoreSchemaOf = Callable[[Any], CoreSchema]
JsonSchemaOf = Callable[[CoreSchema], dict[str, Any]]


def refuse(rule: str) -> NoReturn:
    raise PydanticCustomError("scalar", "{rule}", {"rule": rule})


class Scalar(ABC):
    """Base of the annotations: reads what was sent, or refuses it with its rule."""

    json_schema: ClassVar[dict[str, Any]] = {}

    @abstractmethod
    def read(self, sent: Any) -> Any:
        """Raises PydanticCustomError."""

    @abstractmethod
    def kept(self) -> CoreSchema:
        """Returns the schema of the value once it has been read."""

    def __get_pydantic_core_schema__(self, source: Any, handler: CoreSchemaOf) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, self.kept())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: JsonSchemaOf) -> dict[str, Any]:
        return handler(schema) | self.json_schema
