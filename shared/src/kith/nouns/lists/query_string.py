"""What is asked of a list in a query string: `?value.gte=100&stage.in=won&stage.in=lost&customer.segment=retail`.

A parameter is a field, over a relation or not, and an operator; without one it is equality, or of tags any of them. All
parameters have to hold. An operator that takes several values has its parameter repeated.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel, TypeAdapter, ValidationError

from kith.errors import Invalid
from kith.nouns.inputs import detail
from kith.nouns.lists.conditions import ListedField, Relation
from kith.nouns.lists.models import operands
from kith.nouns.lists.operators import Operator, operators_of

_JOINED = frozenset({"order_by", "fields"})
"""Parameters whose values are names: they may be in one, with commas between."""
_SEVERAL = frozenset({"ids"})


class Listed(Protocol):
    """What may be asked of a list."""

    @property
    def fields(self) -> Mapping[str, ListedField]: ...

    @property
    def relations(self) -> Mapping[str, Relation]: ...

    @property
    def customisable(self) -> bool: ...

    @property
    def query(self) -> type[BaseModel]: ...


def document_of(sent: Iterable[tuple[str, str]], listed: Listed, but: Collection[str] = ()) -> dict[str, Any]:
    """Returns the parameters as the document that a search sends, with texts for values. Raises Invalid, also for one
    of `but`."""
    given: dict[str, list[str]] = {}
    for name, value in sent:
        given.setdefault(name, []).append(value)
    asked = listed.query.model_fields.keys() - {"where", *but}
    document: dict[str, Any] = {}
    where: dict[str, Any] = {}
    custom: dict[str | None, dict[str, dict[str, Any]]] = {}
    for name, values in given.items():
        if name in _JOINED & asked:
            document[name] = [part for value in values for part in value.split(",")]
        elif name in asked:
            document[name] = values if name in _SEVERAL else _one(name, values)
        elif (named := _custom(name, listed)) is not None:
            over, code, operator = named
            of_code = custom.setdefault(over, {}).setdefault(code, {"code": code})
            of_code[operator] = values if operator.takes_many else _one(name, values)
        else:
            relation, field, operator = _parsed(name, listed, asked)
            fields = where if relation is None else where.setdefault(relation, {})
            fields.setdefault(field, {})[operator] = values if operator.takes_many else _one(name, values)
    for over, of_codes in custom.items():
        (where if over is None else where.setdefault(over, {}))["custom"] = list(of_codes.values())
    return document | {"where": where}


def in_parameters(error: ValidationError) -> ValidationError:
    """Returns the error of such a document with the names of the parameters."""
    found = error.errors(include_url=False, include_context=False)
    details = [detail((_parameter_at(each["loc"]),), each["msg"], each["input"]) for each in found]
    return ValidationError.from_exception_data(error.title, details)


def _parameter_at(where: tuple[str | int, ...]) -> str:
    return ".".join(part for part in where if isinstance(part, str) and part not in ("where", Operator.EQ))


def _one(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise Invalid("It is given once.", field=name)
    return values[0]


def _custom(parameter: str, listed: Listed) -> tuple[str | None, str, Operator] | None:
    """Returns the relation over which a custom field is named, its code, and the operator; None: it names none."""
    over, path = None, parameter.split(".")
    customisable = listed.customisable
    if path[0] in listed.relations:
        over = path.pop(0)
        customisable = listed.relations[over].customisable is not None
    if not customisable or path[:1] != ["custom"] or len(path) < 2:
        return None
    _, code, *operator = path
    if len(operator) > 1 or not {*operator} <= {*Operator} or not code:
        raise Invalid("It is `custom.`, the code of a field and an operator: `custom.region.in`.", field=parameter)
    return over, code, Operator(operator[0]) if operator else Operator.EQ


def _parsed(parameter: str, listed: Listed, asked: Collection[str]) -> tuple[str | None, str, Operator]:
    """Returns its relation, field and operator."""
    path, relation, fields = parameter.split("."), None, listed.fields
    if path[0] in listed.relations:
        relation = path.pop(0)
        fields = listed.relations[relation].fields
    name, *operator = path or [""]
    known_operators = operators_of(fields[name].kind) if name in fields else ()
    if len(path) > 2 or not {*operator} <= {*known_operators} or not known_operators:
        known = ", ".join((*sorted(asked), *listed.fields, *listed.relations))
        raise Invalid(f"There is no parameter {parameter!r}. There are: {known}.", field=parameter)
    return relation, name, Operator(operator[0]) if operator else known_operators[0]


def parameters_of(listed: Listed, but: Collection[str] = ()) -> list[dict[str, Any]]:
    """Returns the OpenAPI of the parameters, `but` those."""
    shown = [
        _parameter(name, _schema_of(each.rebuild_annotation()), each.description)
        for name, each in listed.query.model_fields.items()
        if name != "where" and name not in but
    ]
    found = [each for field in listed.fields.values() for each in _of_field(field.name, field, every=True)]
    for name, relation in listed.relations.items():
        found += [each for field in relation.fields.values() for each in _of_field(f"{name}.{field.name}", field)]
    return shown + found


def _of_field(name: str, field: ListedField, *, every: bool = False) -> Iterator[dict[str, Any]]:
    """With every operator, or with the first alone: a document of all of them would be twice as long."""
    for operator, schema in list(_operand_schemas(field.kind).items())[: None if every else 1]:
        yield _parameter(name if operator is operators_of(field.kind)[0] else f"{name}.{operator}", {**schema})


@cache
def _operand_schemas(kind: Any) -> dict[Operator, dict[str, Any]]:
    # Kept, as there are few kinds and some thousand parameters: without it they are half of a process's start.
    return {operator: _schema_of(operand) for operator, operand in operands(kind).items()}


def _schema_of(kind: Any) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema


def _parameter(name: str, schema: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    found = {"name": name, "in": "query", "required": False, "schema": schema}
    return found | ({"description": description} if description else {})
