"""The inputs of commands. One declaration is the REST body, a row of a bulk request, and the GraphQL input.

The scalars of their fields are in kith.scalars.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Self, TypeVar

import jiter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_serializer, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from kith.errors import Invalid
from kith.scalars import Code, Currency, Instant, Money, Note, Text
from kith.scalars.currencies import misfit
from kith.values import as_sent

__all__ = [
    "AS_SET",
    "CUSTOM",
    "Amendment",
    "Archive",
    "Code",
    "Currency",
    "CustomValues",
    "Document",
    "Input",
    "Money",
    "NewInput",
    "Note",
    "Priced",
    "Restore",
    "Text",
]

M = TypeVar("M", bound=BaseModel)
CLOCK_SKEW = timedelta(minutes=5)
ENVELOPE = frozenset({"occurred_at", "external_id", "id", "command", "on_duplicate"})
"""Fields of inputs that no rule takes."""

CustomValues = Annotated[dict[Code, Any], Field(max_length=100)]
"""Values of custom fields by their codes, read by the tenant's definitions (kith.custom)."""
CUSTOM = ("custom", "custom_personal")
"""The fields of inputs and of records that have them."""

AS_SET = AfterValidator(lambda sent: sorted(set(sent)))
"""Sorts a list that stands for a set and drops duplicates, so that it is the same however it was spelt."""

Wrong = tuple[str, str]
"""A field, and the rule that it breaks."""


def read(model: type[M], body: bytes | str) -> M:
    """Parses a JSON body as the model. Raises Invalid for malformed JSON, and ValidationError."""
    json_of(body)
    return model.model_validate_json(body)


def json_of(body: bytes | str, *, field: str = "body") -> Any:
    """Parses JSON. Raises Invalid for malformed JSON, and for JSON that parsers differ about: a duplicate key, more
    than 200 levels, half a surrogate pair. NaN and Infinity are left to the field, which refuses them by its name."""
    try:
        data = body.encode() if isinstance(body, str) else body
        return jiter.from_json(data, catch_duplicate_keys=True)
    except ValueError as error:  # UnicodeEncodeError among them
        raise Invalid(f"It is not JSON that can be read: {error}.", field=field) from None


def values_of(inputs: Iterable["Input"], name: str) -> set[Any]:
    """Returns the values that inputs have in a field, but None. Inputs without the field are no slower: to ask a model
    for what it has not takes ten times as long, and there may be ten thousand."""
    return {getattr(each, name) for each in inputs if name in names_of(type(each))} - {None}


@cache
def names_of(kind: type[BaseModel]) -> Mapping[str, None]:
    """Returns the names of a model's fields, in order. The model itself takes a thousand times as long."""
    return dict.fromkeys(kind.model_fields)


def refuse(given: BaseModel, wrong: Iterable[Wrong]) -> None:
    """Raises a ValidationError that lists these problems, located at the fields of `given`, if there are any."""
    if found := list(wrong):
        details = [detail((field,), rule, getattr(given, field)) for field, rule in found]
        raise ValidationError.from_exception_data(type(given).__name__, details)


def detail(where: tuple[str | int, ...], rule: str, given: Any) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("rule", "{rule}", {"rule": rule}), loc=where, input=given)


class Input(BaseModel):
    """Base of every command's input. Strict: nothing is coerced, nothing unknown is accepted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    PRIMARY_OF: ClassVar[Mapping[str, str]] = {}
    """Fields that are the primary value of a list, each with the list: one or the other is sent."""
    FORMER_DEFAULTS: ClassVar[Mapping[str, Any]] = {}
    """Defaults that fields had in an earlier version, which are not in the fingerprints of then."""

    occurred_at: Instant | None = Field(
        default=None, description="when it happened, if not just now; never in the future"
    )

    @property
    def needs(self) -> Sequence[str]:
        """What it needs beside the scope of its command: verbs of the service, or scopes of another one."""
        return ()

    def fields(self) -> dict[str, Any]:
        """Returns the arguments of the rule: all fields but those of the envelope."""
        return {name: getattr(self, name) for name in names_of(type(self)) if name not in ENVELOPE}

    def taking(self, taken: Mapping[str, Any]) -> Self:
        """Returns the input with these inherited fields added. Raises Invalid if they do not go with it."""
        return self.model_copy(update=taken)

    def happened_at(self, now: datetime) -> datetime:
        if self.occurred_at is None:
            return now
        if self.occurred_at > now + CLOCK_SKEW:
            raise Invalid("occurred_at must not be in the future.", field="occurred_at")
        # A sender's clock that is a little ahead must not make the next change look earlier.
        return min(self.occurred_at, now)


class NewInput(Input):
    """Base of the inputs that create. The external id is the sender's own key: sent twice, it creates once."""

    external_id: Code | None = Field(default=None, description="the sender's own key; unique per tenant and noun")


class Priced(NewInput):
    """Base of the inputs that create a record with amounts, which must fit the minor unit of its `currency`."""

    @model_validator(mode="after")
    def _amounts_fit(self) -> Self:
        refuse(self, self._misfits())
        return self

    def taking(self, taken: Mapping[str, Any]) -> Self:
        made = super().taking(taken)
        for field, rule in made._misfits():  # noqa: SLF001 - our own
            raise Invalid(rule, field=field)
        return made

    def _misfits(self) -> Iterator[Wrong]:
        given = dict(self)
        for name, value in given.items():
            if isinstance(value, Decimal) and (rule := misfit(value, given["currency"])):
                yield name, rule


class Archive(Input):
    pass


class Restore(Input):
    pass


class Document(BaseModel):
    """Base of what is sent and kept as one document, with a JSON Schema of its own. In GraphQL it is JSON."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


UNSENT: Any = Field(default_factory=lambda: None)
"""Default of every field of an amendment. It is never used, and no contract shows it."""


class Amendment(Input):
    """Base of the inputs that amend: a field that is not sent stays as it is, and null clears."""

    def fields(self) -> dict[str, Any]:
        return {name: value for name, value in super().fields().items() if name in self.model_fields_set}

    @model_serializer
    def sent(self) -> dict[str, Any]:
        # A null that was sent differs from a field that was not; otherwise two different calls would have one
        # fingerprint.
        return {name: as_sent(getattr(self, name)) for name in sorted(self.model_fields_set)}
