"""An event: its body, and what its class declares of it for folding events into state."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar, NamedTuple, Self, get_args, get_origin, get_type_hints

import msgspec


class EventType(NamedTuple):
    """`sales.order.placed.v1`, in its parts."""

    service: str
    noun: str
    verb: str
    version: int

    @classmethod
    def of(cls, type: str) -> Self:
        """Raises ValueError for what is not named like an event."""
        parts = type.split(".")
        if len(parts) != 4 or not all(parts) or not re.fullmatch("v[1-9][0-9]*", parts[3]):
            raise ValueError(f"{type!r} is not named like an event, service.noun.happened.v1")
        return cls(parts[0], parts[1], parts[2], int(parts[3][1:]))

    @property
    def before(self) -> str | None:
        """The version that this one supersedes."""
        return None if self.version == 1 else f"{self.service}.{self.noun}.{self.verb}.v{self.version - 1}"


class Event(msgspec.Struct, omit_defaults=True):
    """Base of the published language. A subclass is one event type; its fields are the body.

    Additive changes only: a new field has a default. A breaking change is a new type ending in the next `.vN`, whose
    `upcast` reads the one before. Ids, enums, numbers, times and tags; never personal data, so that erasing a person
    rewrites no history.
    """

    type: ClassVar[str]
    """`service.noun.happened.v1`"""
    noun: ClassVar[str]
    """`service.noun` of the aggregate it happens to: the type's, unless the event declares another of its service."""
    creates: ClassVar[bool] = False
    """Whether an aggregate begins with it. Its fields are what the aggregate has until another event says otherwise."""
    starts_clock: ClassVar[bool] = False
    """Whether the aggregate's clock runs anew from it. It runs from the aggregate's first event in any case."""
    qualifies: ClassVar[bool] = True
    """Whether a tenant may count it as activity of the customer in its envelope."""

    def __init_subclass__(cls) -> None:
        """Raises TypeError for an event type that contradicts itself."""
        if "type" not in vars(cls):  # a base of event types
            return
        try:
            type = EventType.of(cls.type)
        except ValueError as error:
            raise TypeError(f"{cls.__name__}: {error}") from None
        if "noun" not in vars(cls):
            cls.noun = f"{type.service}.{type.noun}"
        if not re.fullmatch(rf"{re.escape(type.service)}\.[a-z]+(-[a-z]+)*", cls.noun):
            raise TypeError(f"{cls.type}: {cls.noun!r} is no noun of {type.service}")
        for name in ("creates", "starts_clock", "qualifies"):
            if not isinstance(getattr(cls, name), bool):
                raise TypeError(f"{cls.type}: {name} is True or False")
        for base in (Replaced, Amended):
            if issubclass(cls, base) and cls.creates is not base.creates:
                raise TypeError(f"{cls.type}: what is {base.__name__} has creates = {base.creates}")
        if isinstance(vars(cls).get("upcast"), classmethod) != (type.version > 1):
            wanted = f"upcast {type.before}" if type.before else "upcast nothing: it is the first version"
            raise TypeError(f"{cls.type} has to {wanted}")

    @classmethod
    def of(cls, aggregate: Any, **others: Any) -> Self:
        """Returns the event with the aggregate's values of its fields; `others` are the fields that the aggregate
        lacks."""
        known = _known(cls, type(aggregate))  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
        return cls(**(_published(cls, aggregate, known) | others))

    @classmethod
    def upcast(cls, body: dict[str, Any]) -> dict[str, Any]:
        """Returns this version's body of an event of the version before, both as JSON has them. Every version but the
        first defines it; the first raises TypeError."""
        raise TypeError(f"{cls.type} is the first version: there is none before it")


class Amended(Event):
    """Fields were set. `changed` names them; one that is named but has no value was cleared, or is personal."""

    changed: list[str]

    @classmethod
    def of_changed(cls, aggregate: object, changed: list[str]) -> Self:
        published = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
        known = (name for name in changed if name in published)
        return cls(changed=[published.get(name, name) for name in changed], **_published(cls, aggregate, known))

    @property
    def changed_fields(self) -> list[str]:
        """What was changed, by the names of this class's fields, which may be published by others."""
        fields = dict(zip(self.__struct_encode_fields__, self.__struct_fields__, strict=True))
        return [fields[name] for name in self.changed if name in fields]


def _published(kind: type[Event], aggregate: object, names: Iterable[str]) -> dict[str, Any]:
    """Returns the fields as the event has them: of value objects the parts that its struct has, which leaves out the
    personal ones."""
    structs, found = _structs_in(kind), dict[str, Any]()
    for name in names:
        held, struct = getattr(aggregate, name), structs.get(name)
        found[name] = held if struct is None else [_as_struct(each, struct) for each in held]
    return found


def _as_struct(each: object, struct: type[msgspec.Struct]) -> msgspec.Struct:
    if isinstance(each, struct):
        return each
    return struct(**{part: getattr(each, part) for part in struct.__struct_fields__})


@cache
def _known(event: type[Event], kind: type[Any]) -> tuple[str, ...]:
    """Returns the fields of an event that aggregates of this kind have."""
    has = {*dir(kind), *getattr(kind, "__dataclass_fields__", ())}
    return tuple(name for name in event.__struct_fields__ if name in has)


@cache
def _structs_in(kind: type[Event]) -> dict[str, type[msgspec.Struct]]:
    """Returns the fields that are lists of structs, each with the struct."""
    lists = {name: get_args(hint)[0] for name, hint in get_type_hints(kind).items() if get_origin(hint) is list}
    return {name: each for name, each in lists.items() if isinstance(each, type) and issubclass(each, msgspec.Struct)}


class Replaced(Event):
    """The aggregate was set as a whole. The first such event creates it, and each says all that holds after it."""

    creates: ClassVar[bool] = True
