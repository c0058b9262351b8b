"""Checks that the faces of a noun's value objects match: aggregate, view, inputs and events."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import msgspec

from kith.events.event import Event
from kith.nouns.form import Form
from kith.values import Value, is_personal, part_types, public_parts, value_in


def values_of(form: Form) -> dict[str, type[Value]]:
    """Returns the fields that hold value objects, each with the kind."""
    kinds = {name: value_in(hint) for name, hint in get_type_hints(form.aggregate).items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def value_faces(form: Form) -> Iterator[str]:
    personal = {each.name for each in fields(form.view) if is_personal(each)}
    for name, kind in values_of(form).items():
        if not public_parts(kind) and name not in personal:
            yield f"all parts of `{name}` are personal, and so it is `personal()` as a whole in the view."
        for command in form.commands:
            field = command.input.model_fields.get(name)
            if field is not None and value_in(field.annotation) is not kind:
                yield f"the input {command.input.__name__} reads `{name}` as something else than {kind.__name__}."


def event_faces(form: Form, event: type[Event]) -> Iterator[str]:
    """Checks what an event carries of value objects: all parts that are not personal, and no other."""
    hints = get_type_hints(event)
    for name, kind in values_of(form).items():
        if name in hints:
            carried, public = _parts_in(hints[name]), set(public_parts(kind))
            for part in sorted(carried & (part_types(kind).keys() - public)):
                yield f"the event {event.type} has a part `{name}.{part}`, which is personal."
            for part in sorted(public - carried - unpublished_parts(form, name)):
                yield f"the event {event.type} lacks the part `{name}.{part}`, which is not `personal()`."
            for part in sorted(carried - part_types(kind).keys()):
                yield f"the event {event.type} has a part `{name}.{part}`, which {kind.__name__} does not have."


def unpublished_parts(form: Form, field: str) -> set[str]:
    """Returns the parts of a field's values that the form leaves out of events on purpose."""
    return {path.partition(".")[2] for path in form.unpublished if path.partition(".")[0] == field}


def _parts_in(hint: Any) -> set[str]:
    return {
        part
        for each in get_args(hint)
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
        for part in each.__struct_fields__
    }
