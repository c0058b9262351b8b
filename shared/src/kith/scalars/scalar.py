"""What a scalar is: an annotation that reads what was sent, or refuses it with its rule."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


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

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, self.kept())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | self.json_schema
