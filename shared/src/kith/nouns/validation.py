"""Checks that the parts of a noun match: rules, table, inputs, view and events, by the names of their fields.

Each problem is stated in a sentence that names the noun, the part and the field, and all problems at once:

    opportunity: the view has a field `stage_id` that the table has no column for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from inspect import Parameter, signature
from itertools import chain, product
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy import ARRAY, Column, Index, Table

from kith.db.tables import Structured, columns_in_use
from kith.events.event import Event, Replaced
from kith.nouns.aggregate import Aggregate, OfCustomer
from kith.nouns.form import Command, Form
from kith.nouns.inputs import ENVELOPE, Amendment, Input, Note, Text
from kith.nouns.value_faces import event_faces, unpublished_parts, value_faces, values_of
from kith.scalars import bare
from kith.values import is_personal, part_types, public_parts

_OF_ALL = frozenset(each.name for each in fields(Aggregate))
"""Attributes that every aggregate has: events have them in the envelope, or not at all."""


class InvalidForm(TypeError):
    """The parts of a noun do not match. The message has a line for each problem."""


def validate(form: Form) -> None:
    """Checks a form. Raises InvalidForm."""
    faces = (
        *(_table, _view, _commands, _inputs, value_faces, _events, _filters, _searched, _insertion, _relations),
        _follows,
        _timers,
    )
    if problems := [f"{form.name}: {each}" for face in faces for each in face(form)]:
        raise InvalidForm("\n".join(problems))


class _Kind(NamedTuple):
    type: Any
    optional: bool

    @classmethod
    def of(cls, annotation: Any) -> "_Kind":
        if get_origin(annotation) not in (Union, UnionType):
            return cls(annotation, optional=False)
        kinds = [each for each in get_args(annotation) if each is not NoneType]
        return cls(kinds[0] if len(kinds) == 1 else Union[tuple(kinds)], NoneType in get_args(annotation))  # noqa: UP007 - of as many as there are

    def __str__(self) -> str:
        return self.type.__name__ if isinstance(self.type, type) and not get_args(self.type) else str(self.type)


def _attributes(form: Form) -> dict[str, _Kind]:
    return _kinds(form.aggregate)


def _kinds(kind: type[Any]) -> dict[str, _Kind]:
    hints = get_type_hints(kind)
    return {each.name: _Kind.of(hints[each.name]) for each in fields(kind)}


def _personal(form: Form) -> set[str]:
    return {each.name for each in fields(form.view) if is_personal(each)}


def _table(form: Form) -> Iterator[str]:
    attributes, columns = _attributes(form), form.table.c
    for name, kind in attributes.items():
        if name not in columns:
            yield f"the aggregate has a field `{name}` that the table has no column for."
        elif not _fits(columns[name], kind):
            yield f"the table's column `{name}` is {columns[name].type!r}, which does not fit the aggregate's {kind}."
        elif columns[name].nullable and not kind.optional:
            yield f"the table's column `{name}` may be null, and the aggregate's field is never None."
        elif kind.optional and not columns[name].nullable:
            yield f"the table's column `{name}` is never null, and the aggregate's field may be None."
    used = {each.name for each in columns_in_use(form.table)}
    for name in used - attributes.keys() - {"tenant_id", "recorded_at"}:
        yield f"the table has a column `{name}` that the aggregate has no field for."
    yield from _tenancy(form.table)


def _fits(column: Column[Any], kind: _Kind) -> bool:
    match column.type:
        case Structured(kind=kept):
            return bool(_Kind.of(kept).type == kind.type)
        case ARRAY(item_type=item):
            return bool(list[item.python_type] == kind.type)  # type: ignore[name-defined]
        case each:
            is_instant = kind.type is not datetime or getattr(each, "timezone", False)
            return is_instant and (getattr(each, "enum_class", None) or each.python_type) is kind.type


def _tenancy(table: Table) -> Iterator[str]:
    if next(iter(table.primary_key.columns.keys()), None) != "tenant_id":
        yield "the table's primary key does not begin with `tenant_id`."
    for constraint in table.foreign_key_constraints:
        names = [str(key) for key in constraint.column_keys]
        if names[0] != "tenant_id" or not constraint.elements[0].target_fullname.endswith(".tenant_id"):
            yield f"the table's reference `{names[-1]}` may name another tenant's row: it lacks `tenant_id`."


def _view(form: Form) -> Iterator[str]:
    attributes, personal = _attributes(form), _personal(form)
    for name, kind in _kinds(form.view).items():
        if name not in form.table.c or name not in attributes:
            yield f"the view has a field `{name}` that the table has no column for."
        elif kind.type != attributes[name].type:
            yield f"the view's field `{name}` is {kind}, and the aggregate's is {attributes[name]}."
        elif attributes[name].optional and not kind.optional:
            yield f"the view's field `{name}` is never None, and the aggregate's may be."
        elif name in personal and not kind.optional:
            yield f"the view's field `{name}` is personal, and so absent for some: it must be optional."


def _inputs(form: Form) -> Iterator[str]:
    attributes = _attributes(form)
    for command in form.all_commands:
        if command.input.fields not in (Input.fields, Amendment.fields):
            continue  # the input computes the rule's argument from the fields sent
        face, sent = command.input.__name__, _sent(command)
        parameters = signature(command.rule).parameters.values()
        takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
        for name in sent:
            if name not in {each.name for each in parameters} and not (takes_any and name in attributes):
                yield f"the input {face} has a field `{name}` that the rule of `{command.name}` does not take."
        for each in parameters:
            needed = each.kind is Parameter.KEYWORD_ONLY and each.default is Parameter.empty
            if needed and each.name not in {"id", "at", "tenant", "actor", *sent} | (
                {"other"} if command.together else set()
            ) | ({command.also.named} if command.also else set()):
                yield f"the input {face} has no field `{each.name}`, which the rule of `{command.name}` takes."


def _commands(form: Form) -> Iterator[str]:
    names, attributes = [command.name for command in form.all_commands], _attributes(form)
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield f"two commands have the name `{name}`."
    for command in form.all_commands:
        named = signature(command.rule).parameters  # a rule that names a parameter computes something from it
        for name in [each for each in _sent(command) if command.creates and each not in named]:
            if _may_be_none(command, name) and not _may_lack(form, attributes, name):
                yield f"the input {command.input.__name__} may leave out `{name}`, which the aggregate always has."


def _may_be_none(command: Command, name: str) -> bool:
    field = command.input.model_fields[name]
    return not field.is_required() and field.get_default(call_default_factory=True) is None


def _may_lack(form: Form, attributes: dict[str, _Kind], name: str) -> bool:
    """Whether the aggregate can be without the field, or inherits it from a record that the input names."""
    taken = {each for follows in form.follows.values() for each in follows.takes}
    return name not in attributes or attributes[name].optional or name in taken


def _sent(command: Command) -> list[str]:
    return [name for name in command.input.model_fields if name not in ENVELOPE]


def events_of(command: Command) -> list[type[Event]]:
    """Returns the events that its rule is annotated to return."""
    return list(dict.fromkeys(event for outcome in outcomes_of(command) for event in outcome))


def outcomes_of(command: Command) -> list[list[type[Event]]]:
    """Returns the alternatives that its rule may return, each with the events that are then published together."""
    return _outcomes_in(get_type_hints(command.rule).get("return"))


def _outcomes_in(annotation: Any) -> list[list[type[Event]]]:
    if isinstance(annotation, type) and issubclass(annotation, Event):
        return [[annotation]] if hasattr(annotation, "type") else []
    parts = [found for each in get_args(annotation) if (found := _outcomes_in(each))]
    if get_origin(annotation) in (Union, UnionType):
        return [outcome for part in parts for outcome in part]
    return [list(chain(*together)) for together in product(*parts)] if parts else []


def _events(form: Form) -> Iterator[str]:
    for command in form.all_commands:
        if events := events_of(command):
            for event in events:
                yield from event_faces(form, event)
            for outcome in outcomes_of(command):
                for place, event in enumerate(outcome):
                    yield from _declared(form, event, begins=place == 0 and command.creates)
                yield from _carried(form, command, outcome)
        else:
            yield f"the rule of `{command.name}` does not say which event it returns."
    for name in form.unpublished:
        field, _, part = name.partition(".")
        kind = values_of(form).get(field)
        if field not in _attributes(form) or (part and (kind is None or part not in part_types(kind))):
            yield f"`unpublished` names a field `{name}` that the aggregate does not have."


def _declared(form: Form, event: type[Event], *, begins: bool) -> Iterator[str]:
    if event.noun.partition(".")[2] != form.name.replace("_", "-"):
        yield f"the event {event.type} is declared to be of {event.noun}."
    begins = begins or issubclass(event, Replaced)
    if event.creates is not begins:
        yield f"the event {event.type} declares that a {form.name} {'does not begin' if begins else 'begins'} with it."


def _carried(form: Form, command: Command, events: Sequence[type[Event]]) -> Iterator[str]:
    type, personal = events[0].type, _personal(form)
    carried = {name for event in events for name in event.__struct_fields__}
    for name in sorted(carried & personal):
        yield f"the event {type} has a field `{name}`, which is personal."
    for name in sorted(carried & _free_text(command) - personal):
        yield f"the event {type} has a field `{name}`, which is free text, and may name a person."
    for name in sorted(carried & _free_parts(form)):
        yield f"the event {type} has a field `{name}` with a part that is free text, and may name a person."
    for name in sorted(_published(form, command) - carried):
        yield f"the event {type} lacks the field `{name}`, which `{command.name}` sets, and is not `personal()`."


def _free_text(command: Command) -> set[str]:
    fields = command.input.model_fields
    return {name for name, each in fields.items() if _is_free_text((each.annotation, *each.metadata))}


def _free_parts(form: Form) -> set[str]:
    """Returns the fields with values that have a free text in a part that is not personal."""
    return {
        name
        for name, kind in values_of(form).items()
        if any(
            _is_free_text((part_types(kind)[part],)) for part in {*public_parts(kind)} - unpublished_parts(form, name)
        )
    }


def _is_free_text(parts: tuple[Any, ...]) -> bool:
    """Whether an annotation is, or contains, a free text."""
    return any(part in _FREE or _is_free_text(get_args(part)) for part in parts)


_FREE = [scalar for text in (Text, Note) for scalar in text.__metadata__]  # type: ignore[attr-defined]


def _published(form: Form, command: Command) -> set[str]:
    """Returns the fields that an event of the command must carry: those that it sets and, if it creates, all required
    ones."""
    attributes = _attributes(form)
    wanted = {name for name in _sent(command) if name in attributes}
    if command.creates:
        wanted |= {name for name, kind in attributes.items() if not kind.optional}
    of_envelope = {"customer_id"} if issubclass(form.aggregate, OfCustomer) else set()
    return wanted - _OF_ALL - of_envelope - _personal(form) - form.unpublished.keys()


def _filters(form: Form) -> Iterator[str]:
    for name in form.filters:
        if name not in form.table.c:
            yield f"the filter `{name}` has no column in the table."
        elif not is_indexed(form.table, name) and name not in form.unindexed:
            yield f"the filter `{name}` has no index in the table that begins with `tenant_id` and it."
    for name in form.unindexed:
        if name not in form.filters or is_indexed(form.table, name):
            yield f"`unindexed` names `{name}`, which is no filter without an index."


def _searched(form: Form) -> Iterator[str]:
    kinds, values = _kinds(form.view), values_of(form)
    for path in form.searched:
        name, _, part = path.partition(".")
        kind = part_types(values[name]).get(part) if part and name in values else None
        if name not in kinds or not (_is_text(kind) if part else kinds[name].type is str):
            yield f"searches look in `{path}`, which is no text of the view."


def _is_text(annotation: Any) -> bool:
    return bare(_Kind.of(annotation).type) is str


def is_indexed(table: Table, name: str) -> bool:
    return any(_serves(index, table.c[name]) for index in table.indexes)


def _serves(index: Index, column: Column[Any]) -> bool:
    """Whether the index serves a condition on the column. A partial one, of the rows that have a value, serves those
    that name the value."""
    where = index.dialect_options["postgresql"].get("where")
    of_all = where is None or where.compare(column.is_not(None))
    return of_all and list(index.columns.keys())[:2] == ["tenant_id", column.name]


def _insertion(form: Form) -> Iterator[str]:
    if form.insert_only and form.checks is not None:
        yield "it is `insert_only`, so one statement makes it, and has `checks`, which that would pass by."
    if form.insert_only and form.supplies is not None and not form.parts_name:
        yield "it is `insert_only`, so one statement makes it, and has `supplies`, which that would pass by."
    if form.insert_only and form.searched:
        yield "it is `insert_only`, so one statement makes it, and is `searched`, whose entries that would pass by."


def _relations(form: Form) -> Iterator[str]:
    for relation in form.relations:
        if relation.name in _kinds(form.view):
            yield f"the relation `{relation.name}` has the name of a field of the view."
        if not _is_id(form.table, relation.column):
            yield f"the relation `{relation.name}` is by `{relation.column}`, which is no column of ids in the table."
        elif relation.many and not is_indexed(form.table, relation.column):
            yield f"the relation `{relation.name}` lists by `{relation.column}`, which has no index in the table."


def _follows(form: Form) -> Iterator[str]:
    table, attributes = form.table, _attributes(form)
    for name, follows in form.follows.items():
        if not _is_id(table, name):
            yield f"`follows` names `{name}`, which is no column of ids in the table."
        if "tenant_id" not in follows.id.table.c:
            yield f"`follows` looks `{name}` up in the table {follows.id.table.name}, which has no `tenant_id`."
        target = follows.id.table
        for field in (*follows.takes, *follows.lends):
            if field not in target.c:
                yield f"`follows` takes `{field}` by `{name}`, which the table {target.name} has no column for."
            elif field not in attributes:
                yield f"`follows` takes `{field}` by `{name}`, which the aggregate has no field for."


def _is_id(table: Table, name: str) -> bool:
    return name in table.c and table.c[name].type.python_type is UUID


def _timers(form: Form) -> Iterator[str]:
    commands = {each.name: each for each in form.commands}
    for timer in form.timers:
        command = commands.get(timer.command)
        if command is None or command.creates:
            yield f"a timer gives the command `{timer.command}`, which no record has."
        elif any(each.is_required() for each in command.input.model_fields.values()):
            yield f"a timer gives the command `{timer.command}`, whose input has fields that nobody fills in."
        if not hasattr(form.aggregate, timer.at) and timer.at not in _attributes(form):
            yield f"the timer of `{timer.command}` goes by `{timer.at}`, which the aggregate has not."
