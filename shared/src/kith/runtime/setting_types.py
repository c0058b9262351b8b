"""The types of settings: each reads the text of an environment variable, or refuses it with its rule."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

from pydantic_core import CoreSchema, core_schema
from pydantic_settings import NoDecode

from kith.scalars import INT4, Pattern, Real, Scalar, Whole, Written
from kith.scalars.scalar import refuse

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


@dataclass(frozen=True)
class ReadableFile(Scalar):
    """The path of a file that this process can read now. What is in it is read when it is needed."""

    rule: ClassVar = "a file that this process can read"

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str | Path):
            return sent
        try:
            with Path(sent).open("rb"):
                return Path(sent)
        except OSError as error:
            refuse(f"It is {self.rule}, and {sent} cannot be read: {error.strerror}.")

    def kept(self) -> CoreSchema:
        return core_schema.is_instance_schema(Path)


@dataclass(frozen=True)
class WritableFile(Scalar):
    """The path of a file that this process writes: it is made when there is something to write."""

    rule: ClassVar = "a file in a folder that this process can write to"

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str | Path):
            return sent
        path = Path(sent)
        if not os.access(path if path.exists() else path.parent, os.W_OK) or path.is_dir():
            refuse(f"It is {self.rule}, and {sent} is not.")
        return path

    def kept(self) -> CoreSchema:
        return core_schema.is_instance_schema(Path)


@dataclass(frozen=True)
class WritableFolder(Scalar):
    """The path of a folder that this process keeps files in: it is made when there is something to keep."""

    rule: ClassVar = "a folder that this process can write to"

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str | Path):
            return sent
        path = Path(sent)
        if not os.access(path if path.exists() else path.parent, os.W_OK | os.X_OK) or path.is_file():
            refuse(f"It is {self.rule}, and {sent} is not.")
        return path

    def kept(self) -> CoreSchema:
        return core_schema.is_instance_schema(Path)


@dataclass(frozen=True)
class OneOf(Scalar):
    words: tuple[str, ...]

    def read(self, sent: Any) -> Any:
        if sent not in self.words:
            refuse(f"It is one of {', '.join(self.words)}.")
        return sent

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True)


class Origins(Scalar):
    """Of `https://crm.example, http://localhost:3000`."""

    rule: ClassVar = "a list of origins, by commas: https://crm.example,http://localhost:3000"

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str):
            return sent
        origins = tuple(each for part in sent.split(",") if (each := part.strip()))
        for each in origins:
            if not _ORIGIN.fullmatch(each):
                refuse(f"{each!r} is not an origin: scheme, host in lower case, and port, as in https://crm.example")
        return origins

    def kept(self) -> CoreSchema:
        return core_schema.tuple_variable_schema(core_schema.str_schema())


Port = Annotated[int, Whole(0, 65_535)]
Count = Annotated[int, Whole(1)]
Days = Annotated[int, Whole(1, 3650)]
Hours = Annotated[int, Whole(1, 87_600)]
Seconds = Annotated[float, Real(above=0, most=86_400)]
Rate = Annotated[float, Real(above=0, most=1e9)]
Line = Annotated[str, Written(2000)]
File = Annotated[Path, ReadableFile()]
NewFile = Annotated[Path, WritableFile()]
Folder = Annotated[Path, WritableFolder()]
WebUrl = Annotated[
    str, Pattern(r"https?://[^\s/]+(/\S*)?", "It is a URL of http or https, as in https://sales.example.")
]
DatabaseUrl = Annotated[
    str,
    Pattern(r"postgres(ql)?://\S+", "It is a URL of PostgreSQL, as in postgresql://kith@db.example/kith_sales."),
]
Servers = Annotated[
    str,
    Pattern(
        r"[^\s:,]+:[0-9]{1,5}(,[^\s:,]+:[0-9]{1,5})*",
        "It is a list of host:port, by commas: broker-1.example:9092,broker-2.example:9092.",
    ),
]
OriginList = Annotated[tuple[str, ...], NoDecode, Origins()]
Level = Annotated[str, OneOf(("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))]


def rule_of(annotation: Any, metadata: list[Any]) -> str:
    """Returns the rule of a setting's type in words, for the list of settings."""
    scalar = next(each for each in (*metadata, *_annotations(annotation)) if isinstance(each, Scalar))
    rule = getattr(scalar, "rule", "")
    match scalar:
        case Whole(least, most):
            rule = f"whole number, {least} or more" if most == INT4 else f"whole number from {least} to {most}"
        case Real(most=most, above=above):
            rule = f"number above {above}, to {most:.12g}"
        case OneOf(words):
            rule = ", ".join(words)
    return rule.removeprefix("It is ").removesuffix(".") or "text"


def _annotations(annotation: Any) -> list[Any]:
    """Returns what is said of the types in `Annotated[..] | None`."""
    return [said for kind in get_args(annotation) for said in getattr(kind, "__metadata__", ())]
