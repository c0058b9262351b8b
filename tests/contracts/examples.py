"""Inputs that are right, made of what their models say."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from strawberry.utils.str_converters import to_camel_case

from analytics.health.model.documents import HealthModelDocument
from analytics.health.model.gallery import GALLERY
from kith.events.sales import OrderPlaced
from kith.nouns.inputs import ENVELOPE, Document, Input
from kith.nouns.value_inputs import input_of
from kith.values import Value, is_filled, value_in

Body = dict[str, Any]
FILE = b"Zebulon"
"""What is attached."""

KNOWN: Mapping[str, Callable[[int], Any]] = {
    "email": lambda _: "zebulon@example.org",
    "address": lambda _: "zebulon@example.org",  # the same: what is done with an address is done with one that is there
    "phone": lambda n: f"+43 1 {5_550_000 + n}",
    "number": lambda n: f"+43 1 {5_550_000 + n}",
    "written": lambda n: f"0043 1 {5_550_000 + n}",
    "language": lambda n: ("de", "zh-Hant-TW")[n % 2],
    **dict.fromkeys(("website", "url", "evidence"), lambda n: f"https://zebulon{n}.example/"),
    "token": lambda _: "zebulon-by-chance-0",  # the same: it confirms what was requested with it
    "begins": lambda _: "09:00",
    "ends": lambda _: "17:30",
    "time_zone": lambda n: ("Europe/Vienna", "Asia/Tokyo")[n % 2],
    "event_types": lambda _: [OrderPlaced.type],
    "effective_at": lambda _: None,
    "starts_at": lambda _: "2020-01-01T00:00:00Z",
    "trial_ends_at": lambda _: "2198-01-01T00:00:00Z",
    "scopes": lambda n: [("sales:read", "sales:write")[n % 2]],
    "gallery": lambda _: "retail",
}
"""By field: what its schema does not say."""
OWN: Mapping[str, Callable[[int], Any]] = {
    **dict.fromkeys(("InviteUser.email", "AmendUser.email"), lambda n: f"zebulon{n:06}@example.org"),
    "CancelSubscription.at_term_end": lambda _: False,
    "ConvertLead.refuse_duplicates": lambda _: False,  # it takes scopes that not everybody has
    "AmendSubscription.renewal_notice_days": lambda n: 11 + n % 300,
    "StartSubscription.term_months": lambda _: 120,  # longer than tests go back
    **dict.fromkeys(("CreatePipeline.is_default", "AmendPipeline.is_default"), lambda _: False),
    "CreatePipeline.stages": lambda _: [_stage("prospecting"), _stage("engaging")],
    "AmendPipeline.stages": lambda n: [_stage(f"zebulon{n:06}")],
    **dict.fromkeys((f"{each}Opportunity.stage" for each in ("Open", "Switch", "Reopen")), lambda _: "prospecting"),
    "OpenOpportunity.pipeline_id": lambda _: None,  # so that it can be moved to one
    **dict.fromkeys(
        (f"{each}Opportunity.splits" for each in ("Open", "Amend")),
        lambda n: [{"user_id": str(UUID(int=n)), "percent": "100.0000"}],
    ),
    "OpenOpportunity.lines": lambda _: [],  # tests/sales/opportunities has them, and what they are worth
    "AmendOpportunity.lines": lambda _: [],
    "AmendLeadScoring.rules": lambda n: [{"key": f"zebulon{n:06}", "field": "source", "values": ["fair"], "points": 9}],
    "AmendLeadScoring.most": lambda n: 500 + n % 500,
    "AmendLeadScoring.threshold": lambda n: 1 + n % 500,
    **dict.fromkeys(("CreateLeadForm.takes", "AmendLeadForm.takes"), lambda n: ["name", f"custom.zebulon{n:06}"]),
    **dict.fromkeys(("CreateLeadForm.origins", "AmendLeadForm.origins"), lambda n: [f"https://zebulon{n}.example"]),
    "CreateTask.recurrence": lambda _: None,  # else each that is done has one that follows
    "AmendTask.recurrence": lambda n: f"FREQ=DAILY;COUNT={1 + n % 9999}",
    **dict.fromkeys(
        (f"{each}Task.checklist" for each in ("Create", "Amend")), lambda n: [{"item": 1, "text": f"Zebulon {n}"}]
    ),
    "TickTask.item": lambda _: 1,
    "AdvanceOpportunity.stage": lambda _: "engaging",
    **dict.fromkeys((f"Create{each}.period" for each in ("Quota", "ForecastAdjustment")), lambda _: "month"),
    **dict.fromkeys(
        (f"Create{each}.starts_on" for each in ("Quota", "ForecastAdjustment")),
        lambda n: f"{2000 + n // 12 % 150}-{1 + n % 12:02}-01",  # a user has one for each
    ),
    "CreateQuote.clone_of_id": lambda _: None,  # tests/sales/quotes has clones
    "AmendQuoteSettings.discount_limit": lambda n: f"{n % 90}.5000",
    "CreatePriceBook.valid_from": lambda _: "2020-01-01T00:00:00Z",
    "AmendPriceBook.valid_from": lambda n: f"2020-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z",
    "IssueInvoice.due_on": lambda _: "2020-01-31",  # before tests go back to, so that it is overdue
    "AmendInvoice.due_on": lambda n: f"{1900 + n % 100}-01-31",
    "CreateMilestone.due_at": lambda _: "2020-01-31T00:00:00Z",  # so that it can be missed
    "CreateExchangeRate.quote": lambda _: "SEK",
    "AmendExchangeRate.rate": lambda n: f"1.{n:06}",
    "RecordReturn.lines": lambda _: [],  # tests/sales/returns has them
    "MakeDelivery.lines": lambda _: [{"line": 1, "quantity": "0.0001"}],  # so that more is left
    "AddAttachment.size": lambda _: len(FILE),
    "AddAttachment.media_type": lambda _: "text/plain",
    "AddAttachment.sha256": lambda _: sha256(FILE).hexdigest(),
    "CreateFieldDefinition.code": lambda n: f"zebulon{n:06}",
    "CreateFieldDefinition.value_type": lambda _: "money",
    "CreateFieldDefinition.links_to": lambda _: None,
    **dict.fromkeys(("CreateFieldDefinition.choices", "AmendFieldDefinition.choices"), lambda _: []),
    **dict.fromkeys(("CreateFieldDefinition.default", "AmendFieldDefinition.default"), lambda n: f"{n}.50"),
}
"""The same of the field of one input alone: of these no two may be alike."""
EITHER = {"email": "emails", "phone": "phones", "role": "roles"}
"""Fields of which one or the other is sent: by turns."""
DOCUMENTS: Mapping[type[Document], Callable[[int], Any]] = {
    HealthModelDocument: lambda n: {**GALLERY["retail"].document, "title": f"Title {n}"},
}
"""Documents with rules among their fields."""
_FORMATS = {"date-time": "2199-01-01T00:00:00Z", "date": "2026-01-31"}
_number = count(1)


def _stage(key: str) -> Body:
    return {"key": key, "name": key.capitalize(), "probability_percent": "10.0000", "rotting_days": 30}


def example(model: type[Input], ids: Mapping[str, str], *, variant: int = 0, without: Iterable[str] = ()) -> Body:
    """All of its fields but the ones in `without`. Texts are other ones each time; what is one of a list, or
    a number, is another one by `variant`."""
    schema = _schema(model)
    made: Body = {}
    both = [pair for pair in EITHER.items() if set(pair) <= schema["properties"].keys()]
    left_out = {*ENVELOPE, *without, *(pair[variant % 2] for pair in both)}
    for name, each in schema["properties"].items():
        if name in left_out:
            continue
        if (own := OWN.get(f"{model.__name__}.{name}")) is not None:
            made[name] = own(next(_number))
        elif name in ids:
            made[name] = as_named(model, name, ids[name])
        elif (document := _document(model.model_fields[name].annotation)) is not None:
            made[name] = DOCUMENTS[document](next(_number))
        else:
            made[name] = _Maker(schema.get("$defs", {}), ids, variant).value(each, name)
    return made


@cache  # it takes milliseconds, and some models are asked thousands of times
def _schema(model: type[Input]) -> Any:
    return model.model_json_schema()


def as_named(model: type[BaseModel], name: str, id: str) -> Any:
    """The id, or a list of it where the field has several."""
    annotation = model.model_fields[name].annotation
    return [id] if any(get_origin(each) is list for each in (annotation, *get_args(annotation))) else id


def _document(annotation: Any) -> type[Document] | None:
    return next((each for each in (annotation, *get_args(annotation)) if each in DOCUMENTS), None)


class _Maker(NamedTuple):
    defs: Any
    ids: Mapping[str, str]
    variant: int

    def value(self, schema: Any, name: str) -> Any:
        if "$ref" in schema:
            return self.value(self.defs[schema["$ref"].rpartition("/")[2]], name)
        if choices := schema.get("oneOf", schema.get("anyOf")):
            return self.value(choices[0], name)
        match schema:
            case {"type": "object"}:
                # Of a value all parts, of any other object what it has to have, what it names, and its price.
                parts, required = schema.get("properties", {}), schema.get("required", ())
                wanted = [each for each in parts if "primary" in parts or each in (*required, *self.ids, "unit_price")]
                found: Any = {each: self.value(schema["properties"][each], each) for each in wanted}
            case {"type": "array"} if name not in KNOWN:
                found = [self.value(schema["items"], name) for _ in range(schema.get("minItems", 1))]
            case {"enum": members}:
                found = members[self.variant % len(members)]
            case {"type": "integer" | "number"}:
                found = min(max(10 - self.variant, schema.get("minimum", 0)), schema.get("maximum", 10))
            case {"type": "boolean"}:
                found = self.variant % 2 == 0
            case _ if name in self.ids:
                found = self.ids[name]
            case _:
                found = _text(schema, name)
        return found


def _text(schema: Any, name: str) -> Any:
    if name in KNOWN:
        return KNOWN[name](next(_number))
    if schema.get("pattern") == "^[A-Z]{3}$":
        return "EUR"
    if schema.get("pattern") == "^[A-Z]{2}$":
        return "AT"
    return schema.get("const") or _FORMATS.get(schema.get("format", ""), f"Zebulon {next(_number):06}")


def names_ids(model: type[BaseModel]) -> list[str]:
    """Its fields that hold an id."""
    named = [name for name, each in model.model_fields.items() if _holds(each.annotation, UUID)]
    sent = [field for field in model.model_fields if OWN.get(f"{model.__name__}.{field}", str)(0) != []]
    values = [kind for field in sent if (kind := value_in(model.model_fields[field].annotation))]
    return list(dict.fromkeys([*named, *(name for kind in values for name in _parts_that_name(kind))]))


def fields_naming(model: type[BaseModel], name: str) -> list[str]:
    """That field, or those whose values have it."""
    if name in model.model_fields:
        return [name]
    kinds = {field: value_in(each.annotation) for field, each in model.model_fields.items()}
    return [field for field, kind in kinds.items() if kind and name in _parts_that_name(kind)]


def _parts_that_name(kind: type[Value]) -> list[str]:
    """But for those that follow from another record that is named."""
    filled = {each.name for each in fields(kind) if is_filled(each)}
    return [name for name in names_ids(input_of(kind)) if name not in filled]


def _holds(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_holds(each, kind) for each in get_args(annotation))


def as_graphql(model: type[BaseModel], body: Body) -> Body:
    """The same as a variable of GraphQL: names in camel case, and of an enumeration the member's name."""
    kinds = {name: each.annotation for name, each in model.model_fields.items()}
    return {to_camel_case(name): _as_graphql(kinds[name], value) for name, value in body.items()}


def _as_graphql(annotation: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_as_graphql(get_args(annotation)[0], each) for each in value]
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind(value).name
        if isinstance(kind, type) and issubclass(kind, Value) and isinstance(value, dict):
            return as_graphql(input_of(kind), value)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, Document):
            return as_graphql(kind, value)
    return value
