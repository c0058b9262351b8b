"""How large a GraphQL operation is, and what it may cost: counted after its fragments are put in, without putting them
in. Each fragment is looked at once, so a chain of fragments that doubles at each link costs no more to count than to
read.

The gateway counts by the same rules, in cost.mjs; tests/federation/costs.json holds both to the same figures.

- An object costs 1, a scalar nothing. One of the introspection costs a tenth, as it comes from memory; of types there
  are 100.
- A list of objects costs what `first` says, or the argument's default; else as many as there are `ids` or
  `representations` in the arguments; else 10. So do the lists `nodes` and `edges` of a field with `first`.
- What is selected on an object is counted for each. @skip and @include are not looked at: it is the most it may cost.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NamedTypeNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionNode,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

USUAL_LENGTH, TYPES = 10, 100
PAGE, ITEMS = "first", ("nodes", "edges")
KEYS = ("ids", "representations")
_TENTHS = 10
"""Costs are counted in tenths, so that they are whole numbers."""
_MOST = 10**13
_MOST_NESTED = 200


class TooDeep(Exception):
    """Deeper than a recursive visitor could go."""


class Circular(Exception):
    """A fragment contains itself."""


@dataclass
class Size:
    """A spread counts as a field: it is a step of the visitor as well."""

    fields: int = 0
    aliases: int = 0
    directives: int = 0
    depth: int = 0
    root_fields: int = 0

    def add(self, inside: "Size", depth: int) -> None:
        self.fields = min(_MOST, self.fields + inside.fields)
        self.aliases = min(_MOST, self.aliases + inside.aliases)
        self.directives = min(_MOST, self.directives + inside.directives)
        self.depth = max(self.depth, depth)


def size_of(document: DocumentNode, operation: OperationDefinitionNode) -> Size:
    """Of an operation, whatever the schema and the variables. Raises TooDeep or Circular."""
    size = _Sizes(document).of_set(operation.selection_set, 0)
    size.directives += len(operation.directives or ())
    return size


class _Sizes:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = _fragments_of(document)
        self._known: dict[str, Size | None] = {}

    def of_set(self, selections: SelectionSetNode | None, nested: int) -> Size:
        if nested > _MOST_NESTED:
            raise TooDeep
        size = Size()
        for selection in _selections(selections):
            size.fields += 1
            size.directives += len(selection.directives or ())
            if isinstance(selection, FieldNode):
                below = self.of_set(selection.selection_set, nested + 1)
                size.add(below, 1 + below.depth)
                size.aliases += selection.alias is not None
                size.root_fields += 1
            else:
                inside = self._inside(selection, nested + 1)
                size.add(inside, inside.depth)
                size.root_fields = min(_MOST, size.root_fields + inside.root_fields)
        return size

    def _inside(self, selection: SelectionNode, nested: int) -> Size:
        if isinstance(selection, InlineFragmentNode):
            return self.of_set(selection.selection_set, nested)
        assert isinstance(selection, FragmentSpreadNode)
        name = selection.name.value
        if name not in self._known:
            self._known[name] = None
            fragment = self._fragments.get(name)
            size = self.of_set(fragment.selection_set if fragment else None, nested)
            size.directives += len(fragment.directives or ()) if fragment else 0
            self._known[name] = size
        found = self._known[name]
        if found is None:
            raise Circular
        return found


def repeats_of(document: DocumentNode, operation: OperationDefinitionNode) -> int:
    """Returns how often the most repeated field is selected at one position: to see whether fields of one name agree,
    validation compares each with each. Only for what `size_of` has found to be small: here fragments are put in."""
    fragments = _fragments_of(document)

    def visit(sets: Sequence[SelectionSetNode]) -> int:
        by_name: dict[str, list[SelectionSetNode | None]] = defaultdict(list)

        def collect(selections: SelectionSetNode | None) -> None:
            for selection in _selections(selections):
                if isinstance(selection, FieldNode):
                    by_name[(selection.alias or selection.name).value].append(selection.selection_set)
                elif isinstance(selection, InlineFragmentNode):
                    collect(selection.selection_set)
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value in fragments:
                    collect(fragments[selection.name.value].selection_set)

        for each in sets:
            collect(each)
        below = (max(len(same), visit([each for each in same if each is not None])) for same in by_name.values())
        return max(below, default=0)

    return visit([operation.selection_set])


def cost_of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any] | None,
) -> int:
    """The most that the operation may cost with these variables. For what `size_of` has found to be no circle."""
    costs = _Costs(schema, document, operation, variables or {})
    each, rest = costs.of_set(operation.selection_set, schema.get_root_type(operation.operation))
    return -(-(each + rest) // _TENTHS)


class _Cost(NamedTuple):
    """The cost of what is selected on one object: of each of its `nodes` or `edges`, and of all else."""

    each: int = 0
    rest: int = 0


class _Costs:
    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = _fragments_of(document)
        self._variables = variables
        variables_of = operation.variable_definitions or ()
        self._defaults = {each.variable.name.value: each.default_value for each in variables_of}
        self._known: dict[str, _Cost] = {}

    def of_set(self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None) -> _Cost:
        each = rest = 0
        for selection in _selections(selections):
            if isinstance(selection, FieldNode):
                cost = self._of_field(selection, parent)
                if selection.name.value in ITEMS:
                    each += cost
                else:
                    rest += cost
            else:
                inside = self._inside(selection, parent)
                each += inside.each
                rest += inside.rest
        return _Cost(min(_MOST, each), min(_MOST, rest))

    def _inside(self, selection: SelectionNode, parent: GraphQLNamedType | None) -> _Cost:
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            return self.of_set(selection.selection_set, self._named(condition) if condition else parent)
        assert isinstance(selection, FragmentSpreadNode)
        name = selection.name.value
        if name not in self._known:
            fragment = self._fragments.get(name)
            found = self.of_set(fragment.selection_set, self._named(fragment.type_condition)) if fragment else _Cost()
            self._known[name] = found
        return self._known[name]

    def _of_field(self, node: FieldNode, parent: GraphQLNamedType | None) -> int:
        """Of one object that has the field; of `nodes` and `edges`, for each of their items."""
        field = _field_of(parent, node.name.value)
        kind = get_named_type(field.type) if field else None
        if field is None or not is_composite_type(kind):
            return 0
        each, rest = self.of_set(node.selection_set, kind)
        own = 1 if kind.name.startswith("__") else _TENTHS
        page = self._page(node, field)
        if not _is_list(field.type):
            return min(_MOST, own + rest + (USUAL_LENGTH if page is None else page) * each)
        items = own + rest + USUAL_LENGTH * each
        if node.name.value in ITEMS and page is None:
            return min(_MOST, items)
        length = page if page is not None else self._keys(node)
        return min(_MOST, (_usual_length(parent, node) if length is None else length) * items)

    def _page(self, node: FieldNode, field: GraphQLField) -> int | None:
        argument = field.args.get(PAGE)
        if argument is None:
            return None
        given = self._value(_argument(node, PAGE))
        page = given if _is_whole(given) else self._default_of(argument)
        return max(0, int(page)) if _is_whole(page) else USUAL_LENGTH

    def _default_of(self, argument: GraphQLArgument) -> Any:
        """A schema that was read from a text keeps the text."""
        if argument.default is None:
            return argument.default_value
        return self._value(argument.default.literal) if argument.default.literal else argument.default.value

    def _keys(self, node: FieldNode) -> int | None:
        lists = [found for name in KEYS if isinstance(found := self._value(_argument(node, name)), list | tuple)]
        return max((len(each) for each in lists), default=None)

    def _value(self, given: ValueNode | None) -> Any:
        """A number, or a list of whatever it is; None for all else."""
        if isinstance(given, IntValueNode):
            return int(given.value)
        if isinstance(given, ListValueNode):
            return given.values
        if not isinstance(given, VariableNode):
            return None
        name = given.name.value
        return self._variables[name] if name in self._variables else self._value(self._defaults.get(name))

    def _named(self, condition: NamedTypeNode) -> GraphQLNamedType | None:
        return self._schema.get_type(condition.name.value)


def _fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}


def _selections(selections: SelectionSetNode | None) -> Sequence[SelectionNode]:
    return selections.selections if selections else ()


def _argument(node: FieldNode, name: str) -> ValueNode | None:
    return next((each.value for each in node.arguments or () if each.name.value == name), None)


def _usual_length(parent: GraphQLNamedType | None, node: FieldNode) -> int:
    is_types = parent is not None and parent.name == "__Schema" and node.name.value == "types"
    return TYPES if is_types else USUAL_LENGTH


def _is_list(kind: GraphQLOutputType) -> bool:
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _is_whole(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _field_of(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    if name == "__schema":
        return SchemaMetaFieldDef
    if name == "__type":
        return TypeMetaFieldDef
    fields: Mapping[str, GraphQLField] = getattr(parent, "fields", {})
    return fields.get(name)
