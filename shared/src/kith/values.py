"""Value objects: what a record has several of, and what has no id of its own, such as the addresses of a contact.

    @dataclass(frozen=True, kw_only=True, slots=True)
    class EmailAddress(Value):
        address: Email = personal(required=True)
        primary: Flag = False

One dataclass is all that is declared. Its parts are scalars; those that show people are `personal()`. From it follow
the input of both APIs (kith.nouns.value_inputs), the column (kith.db.tables.Structured), the type that the APIs show,
and what an event carries of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, make_dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

from kith.scalars import bare

F = TypeVar("F", bound=Callable[..., Any])


def derived(derive: F) -> F:
    """Caches what a function derives of a kind of value object. mypy does not know that its class can be hashed."""
    return cast("F", cache(derive))


@dataclass(frozen=True, slots=True)
class Value:
    """Base of the value objects."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: Any) -> Any:
        return handler.generate_schema(shown_type(cls))


def personal(*, required: bool = False) -> Any:
    """Declares a field of a view, or a part of a value, that only actors with the scope for personal data see;
    elsewhere it is absent. Such fields are a view's last. A part is `required` if an input has to have it."""
    return field(metadata=_PERSONAL) if required else field(default=None, metadata=_PERSONAL)


def filled() -> Any:
    """Declares a part of a value that an input may lack, and a record always has: the rules fill it in."""
    return field(default=None, metadata=_FILLED)


_PERSONAL = {"personal": True}
_FILLED = {"filled": True}


def is_personal(each: Field[Any]) -> bool:
    return bool(each.metadata.get("personal"))


def is_filled(each: Field[Any]) -> bool:
    return bool(each.metadata.get("filled"))


def value_in(annotation: Any) -> type[Value] | None:
    """Returns the value object in a type such as `list[EmailAddress]`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return annotation
    return next((found for each in get_args(annotation) if (found := value_in(each))), None)


@derived
def part_types(kind: type[Value]) -> Mapping[str, Any]:
    """The parts, each with its type and its scalar."""
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in _parts(kind)}


@derived
def public_parts(kind: type[Value]) -> tuple[str, ...]:
    """The parts that everybody sees, who sees the record."""
    return tuple(each.name for each in _parts(kind) if not is_personal(each))


@derived
def shown_type(kind: type[Value]) -> type[Any]:
    """Returns the dataclass, of the same name, that the APIs show: all parts are there, but for personal ones."""
    parts = [
        (each.name, bare(part_types(kind)[each.name]) | None, field(default=None))
        if is_personal(each)
        else (each.name, bare(part_types(kind)[each.name]), field())
        for each in _parts(kind)
    ]
    return make_dataclass(kind.__name__, parts, kw_only=True, slots=True, namespace={"__doc__": kind.__doc__})


def hidden(held: Any) -> Any:
    """Returns a value, or a list of them, as it is shown to those who do not see personal parts."""
    if isinstance(held, list):
        return [hidden(each) for each in held]
    kind = type(held)
    return shown_type(kind)(**_public(held, public_parts(kind)))


def without_personal(held: Any, parts: tuple[str, ...]) -> Any:
    """Returns a value, or a list of them, as an object of JSON that has only these parts."""
    return [_public(each, parts) for each in held] if isinstance(held, list) else _public(held, parts)


def as_sent(held: Any) -> Any:
    """Returns values as objects of JSON without the parts that have their default: a part that is added to a value
    later leaves what was sent before as it was."""
    if isinstance(held, list):
        return [as_sent(each) for each in held]
    if not isinstance(held, Value):
        return held
    given = {each.name: (getattr(held, each.name), each.default) for each in _parts(type(held))}
    return {name: value for name, (value, default) in given.items() if default is MISSING or value != default}


def _parts(kind: type[Value]) -> tuple[Field[Any], ...]:
    return fields(kind)


def _public(each: Any, parts: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(each, name) for name in parts}
