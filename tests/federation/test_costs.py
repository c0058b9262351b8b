"""The gateway and the services count alike."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_introspection_query,
    get_operation_ast,
    parse,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kith.graphql.cost import Circular, TooDeep, cost_of, repeats_of, size_of
from kith.graphql.limits import GraphQLLimits
from kith_local.layout import GATEWAY
from kith_local.node import node

TOLD = json.loads((Path(__file__).parent / "costs.json").read_text())
SCHEMA = build_schema("\n".join(TOLD["schema"]))
MEASURES = ("fields", "aliases", "directives", "depth", "rootFields")
BY_THE_GATEWAY = """
import { readFileSync } from 'node:fs';
import { buildSchema, parse } from 'graphql';
import { costOf, repeatsOf, sizeOf } from './cost.mjs';
const { schema: sdl, queries } = JSON.parse(readFileSync(0, 'utf8'));
const schema = buildSchema(sdl);
const found = queries.map(({ query, variables }) => {
  const document = parse(query);
  const operation = document.definitions.find(({ kind }) => kind === 'OperationDefinition');
  const cost = costOf(schema, document, operation, variables);
  return { ...sizeOf(document, operation), cost, repeats: repeatsOf(document, operation) };
});
console.log(JSON.stringify(found));
"""


def by_the_gateway(sdl: str, queries: list[dict[str, Any]]) -> list[dict[str, int]]:
    command = [node(), "--input-type=module", "-e", BY_THE_GATEWAY]
    payload = json.dumps({"schema": sdl, "queries": queries})
    done = subprocess.run(command, cwd=GATEWAY, input=payload, capture_output=True, text=True, check=True)
    found: list[dict[str, int]] = json.loads(done.stdout)
    return found


def by_the_services(schema: GraphQLSchema, request: dict[str, Any]) -> dict[str, int]:
    document, operation = operation_of(request["query"])
    size = size_of(document, operation)
    return {
        "fields": size.fields,
        "aliases": size.aliases,
        "directives": size.directives,
        "depth": size.depth,
        "rootFields": size.root_fields,
        "cost": cost_of(schema, document, operation, request.get("variables")),
        "repeats": repeats_of(document, operation),
    }


def operation_of(query: str) -> tuple[DocumentNode, OperationDefinitionNode]:
    document = parse(query)
    operation = get_operation_ast(document)
    assert operation is not None
    return document, operation


@pytest.mark.parametrize("case", TOLD["cases"], ids=lambda case: case["says"])
def test_what_a_query_costs(case: dict[str, Any]) -> None:
    found = by_the_services(SCHEMA, case)
    assert {measure: found[measure] for measure in case if measure in found} == {
        measure: case[measure] for measure in case if measure in found
    }


def test_the_gateway_counts_the_same() -> None:
    found = by_the_gateway("\n".join(TOLD["schema"]), TOLD["cases"])
    assert found == [by_the_services(SCHEMA, case) for case in TOLD["cases"]]


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Of the schema above: fields of everything, within each other, with fragments that name only later ones."""
    leaf = st.sampled_from(["id", "version", "name", "__typename", "a: name", "...A", "...B", "...C"])
    around = st.sampled_from(
        ["customer(id: 1)", "customers(first: 3)", "customers", "nodes", "x: nodes", "orders(first: $n)", "parts",
         "any", "timeline", "find(ids: [1, 2])", "... on Customer", "...", "... @include(if: true)", "pageInfo"]
    )  # fmt: skip
    selections = st.recursive(
        leaf, lambda inner: st.builds(_within, around, st.lists(inner, min_size=1, max_size=3)), max_leaves=12
    )
    body = draw(selections)
    later = {"A": draw(selections), "B": draw(selections).replace("...A", "id"), "C": "id orders { id }"}
    later["B"] = later["B"].replace("...B", "...C")
    later["A"] = later["A"].replace("...A", "...B")
    fragments = [f"fragment {name} on Customer {{ {text} }}" for name, text in later.items()]
    return f"query ($n: Int = 4) {{ {body} }} {' '.join(fragments)}"


def _within(field: str, inner: list[str]) -> str:
    return f"{field} {{ {' '.join(inner)} }}"


@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(st.lists(documents(), min_size=30, max_size=60))
def test_the_gateway_counts_the_same_of_any_query(queries: list[str]) -> None:
    requests: list[dict[str, Any]] = [{"query": query, "variables": {}} for query in queries]
    assert by_the_gateway("\n".join(TOLD["schema"]), requests) == [by_the_services(SCHEMA, each) for each in requests]


def test_a_chain_of_fragments_that_doubles_at_each_link_is_counted_at_once() -> None:
    links = " ".join(f"fragment F{i} on Customer {{ ...F{i + 1} ...F{i + 1} }}" for i in range(100))
    document, operation = operation_of(
        f"{{ customer(id: 1) {{ ...F0 }} }} {links} fragment F100 on Customer {{ parts {{ id }} }}"
    )
    assert size_of(document, operation).fields == 10**13
    assert cost_of(SCHEMA, document, operation, {}) == 10**12


def test_what_has_no_end_is_not_counted() -> None:
    with pytest.raises(Circular):
        size_of(*operation_of("{ ...A } fragment A on Query { ...B } fragment B on Query { version ...A }"))
    with pytest.raises(TooDeep):
        size_of(*operation_of("{ ...F0 }" + "".join(f" fragment F{i} on Query {{ ...F{i + 1} }}" for i in range(300))))


def test_the_most_repeated_field_is_found_wherever_it_is_put_in() -> None:
    query = "{ any { ...A ...A } any { ... on Order { id } } } fragment A on Order { id id x: id customer { id } }"
    document, operation = operation_of(query)
    assert repeats_of(document, operation) == 5, "id: twice by each spread, and once more"


def test_tools_may_ask_for_the_whole_schema() -> None:
    query = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True)
    document, operation = operation_of(query)
    limits = GraphQLLimits()
    assert cost_of(SCHEMA, document, operation, {}) <= limits.cost
    assert size_of(document, operation).depth <= limits.depth
