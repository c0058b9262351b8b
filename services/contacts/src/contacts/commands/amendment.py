"""The base of the inputs that amend: what is not sent stays as it is, and null clears."""

from typing import Any

from pydantic import Field, model_serializer

from kith.inputs import Input

UNSENT: Any = Field(default_factory=lambda: None)
"""Default of every field of an amendment. It is never used, and no contract shows it."""


class Amendment(Input):
    def fields(self) -> dict[str, Any]:
        return {name: value for name, value in super().fields().items() if name in self.model_fields_set}

    @model_serializer
    def sent(self) -> dict[str, Any]:
        # A null that was sent is told from a field that was not, else two different calls would pass for the same one.
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}
