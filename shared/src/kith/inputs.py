"""What a command takes. One declaration: it is the REST body, a row of a bulk request, and the GraphQL input."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_serializer

from kith.domain import Invalid

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=20, decimal_places=4),
    AfterValidator(lambda amount: amount.quantize(Decimal("0.0001"))),
]
"""An amount, zero or more, as numeric(20, 4) keeps it: it reads the same before and after it is stored."""

CLOCK_SKEW = timedelta(minutes=5)


class Input(BaseModel):
    """Base of every command's input. Strict: nothing is coerced, nothing unknown is accepted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    occurred_at: AwareDatetime | None = Field(
        default=None, description="when it happened, if not just now; never in the future"
    )

    def fields(self) -> dict[str, Any]:
        """What the rule is called with: all but what the envelope takes."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in _ENVELOPE}

    def happened_at(self, now: datetime) -> datetime:
        if self.occurred_at is None:
            return now
        if self.occurred_at > now + CLOCK_SKEW:
            raise Invalid("occurred_at must not be in the future.", field="occurred_at")
        # A clock that is a little ahead must not make what is done next look earlier.
        return min(self.occurred_at, now)


class NewInput(Input):
    """Base of the inputs that create. The external id is the sender's own key: sent twice, it creates once."""

    external_id: Code | None = Field(default=None, description="the sender's own key; unique per tenant and noun")


class Document(BaseModel):
    """Base of what is sent and kept as one document, with a JSON Schema of its own. In GraphQL it is JSON."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


UNSENT: Any = Field(default_factory=lambda: None)
"""Default of every field of an amendment. It is never used, and no contract shows it."""


class Amendment(Input):
    """Base of the inputs that amend: what is not sent stays as it is, and null clears."""

    def fields(self) -> dict[str, Any]:
        return {name: value for name, value in super().fields().items() if name in self.model_fields_set}

    @model_serializer
    def sent(self) -> dict[str, Any]:
        # A null that was sent is told from a field that was not, else two different calls would pass for the same one.
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


_ENVELOPE = frozenset({"occurred_at", "external_id", "command"})
