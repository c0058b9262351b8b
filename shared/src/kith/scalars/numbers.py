"""Numbers, amounts of money, and true or false."""

import re
from abc import abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from pydantic_core import CoreSchema, core_schema

from kith.scalars.scalar import CoreSchemaOf, Scalar, refuse

INT4 = 2**31 - 1
MOST_MONEY = 10**12
"""Of one amount. Times a million, as health counts it, it is well below what 64 bits hold."""
MOST_QUANTITY = 10**9
"""Of one line."""
MOST = 10.0**12
"""Of any other number, in either direction: sums and squares of it are numbers still."""


class _Number(Scalar):
    """JSON has a spelling for it: text is read only where there is nothing else."""

    spelling: ClassVar[re.Pattern[str]]
    rule: ClassVar[str]

    @abstractmethod
    def of_text(self, text: str) -> Any:
        """Returns the value of a text that matches `spelling`."""

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str):
            return sent
        if not self.spelling.fullmatch(sent):
            refuse(self.rule)
        return self.of_text(sent)

    def __get_pydantic_core_schema__(self, source: Any, handler: CoreSchemaOf) -> CoreSchema:
        read = core_schema.no_info_before_validator_function(self.read, self.kept())
        return core_schema.lax_or_strict_schema(read, self.kept())


@dataclass(frozen=True)
class Whole(_Number):
    """A whole number from `least` to `most`."""

    least: int = -INT4
    most: int = INT4

    spelling = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
    rule = "It is a whole number in digits, as in 42."

    def of_text(self, text: str) -> int:
        return int(text)

    def kept(self) -> CoreSchema:
        return core_schema.int_schema(ge=self.least, le=self.most, strict=True)


@dataclass(frozen=True)
class Real(_Number):
    """A number from `least` to `most`; `above` and `below` are bounds that are themselves excluded."""

    least: float = -MOST
    most: float = MOST
    above: float | None = None
    below: float | None = None

    spelling = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
    rule = "It is a number in digits, as in 4.2."

    def of_text(self, text: str) -> float:
        return float(text)

    def kept(self) -> CoreSchema:
        least, most = (None if self.above is not None else self.least), (None if self.below is not None else self.most)
        bounds: dict[str, Any] = {"ge": least, "gt": self.above, "le": most, "lt": self.below}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        return core_schema.float_schema(**given, allow_inf_nan=False, strict=True)


class FlagScalar(_Number):
    spelling = re.compile(r"true|false")
    rule = "It is true or false."

    def of_text(self, text: str) -> bool:
        return text == "true"

    def kept(self) -> CoreSchema:
        return core_schema.bool_schema(strict=True)


_AMOUNT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True)
class Exact(Scalar):
    """A number of so many decimals at most, from 0 to `most`, that is kept exactly: an amount, a quantity, a rate."""

    word: str
    """With its article: `an amount`."""
    example: str
    most: int
    above_zero: bool = False
    decimals: int = 4

    @property
    def json_schema(self) -> dict[str, Any]:  # type: ignore[override]  # it depends on the bounds
        least = {"exclusiveMinimum": 0} if self.above_zero else {"minimum": 0}
        digits = rf"^(0|[1-9][0-9]{{0,{len(str(self.most)) - 1}}})(\.[0-9]{{1,{self.decimals}}})?$"
        number: dict[str, Any] = {"type": "number", **least, "maximum": self.most}
        return {"anyOf": [number, {"type": "string", "pattern": digits}]}

    def read(self, sent: Any) -> Decimal:
        # A number of JSON is what its shortest spelling says.
        text = repr(sent) if isinstance(sent, float | int) and not isinstance(sent, bool) else sent
        if isinstance(sent, Decimal):
            text = f"{sent:f}"
        if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
            refuse(f"It is {self.word} in digits, as in {self.example}.")
        if len(text.partition(".")[2].rstrip("0")) > self.decimals:
            refuse(f"{self.word.capitalize()} has {self.decimals} decimals at most.")
        number = Decimal(text) + 0  # else -0 would stay what it is
        if not 0 <= number <= self.most or (self.above_zero and not number):
            bounds = f"above 0, to {self.most:,}" if self.above_zero else f"from 0 to {self.most:,}"
            refuse(f"{self.word.capitalize()} is {bounds}.")
        # However it was spelt, it reads the same before and after it is stored.
        return number.quantize(Decimal(1).scaleb(-self.decimals))

    def kept(self) -> CoreSchema:
        return core_schema.decimal_schema(strict=True)
