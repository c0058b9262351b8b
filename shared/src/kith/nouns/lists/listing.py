"""What may be asked of the lists of a noun, and what was asked: which rows, in which order, how many, which fields."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, reduce
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from sqlalchemy import ARRAY, Table

from kith.db.tables import columns_in_use
from kith.errors import Forbidden, Invalid
from kith.nouns.inputs import read
from kith.nouns.lists.conditions import Combination, Comparison, Condition, ListedField, Relation, Shape
from kith.nouns.lists.models import MOST_VALUES, Where, condition_of, where_model
from kith.nouns.lists.operators import Operator
from kith.nouns.lists.order import MOST_TERMS, NEWEST, Order, Term
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.lists.query_string import document_of, in_parameters
from kith.nouns.parameters import First, pascal
from kith.nouns.resource import Resource
from kith.nouns.search.wanted import Wanted
from kith.nouns.validation import InvalidForm
from kith.scalars import Code, Cursor, Flag, Id, Instant, SearchText

RECORDED = "recorded_at"
OF_ALL = ("id", "external_id", "created_at", RECORDED)
"""Fields by which the lists of all nouns are filtered and sorted."""
_LEFT_OUT = ("archived_at", "merged_into")
"""Fields that lists are filtered by: of a noun that has one, lists leave out the records with a value of it."""
_SPEAK_OF_ALL = frozenset({"id", "external_id", RECORDED, *_LEFT_OUT})
"""The fields by which a condition asks for those as well: who compares one of them means these very records, or follows
what changes."""
_HELD = tuple(Comparison(each, Operator.IS_NULL) for each in _LEFT_OUT)
_OF_NO_VALUES = (None, *_HELD, Combination("and", _HELD))
_WAYS = [[*way, *nulls] for way in ([], ["asc"], ["desc"]) for nulls in ([], ["nulls_first"], ["nulls_last"])]


@dataclass(frozen=True)
class Asked:
    """What is asked of a list."""

    condition: Condition | None = None
    order: Order = NEWEST
    first: int = DEFAULT_PAGE
    after: str | None = None
    counts: bool = False
    """Whether to count the rows, up to MOST_COUNTED."""
    fields: tuple[str, ...] | None = None
    """The fields to show; None: all."""
    wanted: Wanted | None = None
    """What is searched for: then the best come first, whatever the order."""
    sorted_by: tuple[UUID, ...] = ()
    """The ids of the custom fields in the order, once they are known."""

    @property
    def shape(self) -> Shape | None:
        return self.condition.shape if self.condition else None

    @property
    def has_values(self) -> bool:
        """Whether what is found depends on values that were sent."""
        by_custom = any(each.is_custom for each in self.order.terms)
        return by_custom or self.wanted is not None or self.shape not in _OF_NO_VALUES

    def parameters(self) -> dict[str, Any]:
        """Returns the values of the condition and the fields of the order, by the names that they have in SQL."""
        fields = {f"f{number}": id for number, id in enumerate(self.sorted_by)}
        return fields | (self.condition.parameters() if self.condition else {})

    @property
    def key(self) -> Hashable:
        """What it has in common with another that asks for the same."""
        values = tuple(tuple(each) if isinstance(each, list) else each for each in self.parameters().values())
        return self.shape, values, self.order, self.first, self.after, self.wanted

    def fields_compared(self) -> Iterable[tuple[str | None, str]]:
        """Returns the fields that its condition compares, each with the relation over which it does."""
        return () if self.condition is None else self.condition.fields()

    def and_also(self, field: str, operator: Operator, value: Any) -> "Asked":
        """Returns the same of fewer rows."""
        return self._and(Comparison(field, operator), value)

    def without(self, *fields: str) -> "Asked":
        """Returns the same of the rows without a value of these fields."""
        return reduce(Asked._and, (each for each in _HELD if each.field in fields), self)

    def _and(self, also: Comparison, *values: Any) -> "Asked":
        if self.condition is None:
            return replace(self, condition=Condition(also, values))
        shape = Combination("and", (self.condition.shape, also))
        return replace(self, condition=Condition(shape, (*self.condition.values, *values)))


ALL = Asked()


class Question(BaseModel):
    """Base of what may be asked of a noun's list."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    q: SearchText | None = Field(default=None, description="words, the beginning of an external id, or a number")
    first: First = Field(default=DEFAULT_PAGE, description="rows of the page")
    after: Cursor | None = Field(default=None, description="cursor of the page before")
    order_by: list[Code] = Field(
        default_factory=list,
        max_length=MOST_TERMS,
        description="fields, each with `.desc` or `.asc`, and `.nulls_first` or `.nulls_last`: ascending, nulls last, "
        "if nothing is said; newest first if there are none",
    )
    count: Flag = Field(default=False, description="whether to count the rows of all pages")
    fields: list[Code] = Field(default_factory=list, description="fields to show; all by default")
    ids: list[Id] | None = Field(default=None, max_length=MOST_VALUES)
    updated_since: Instant | None = Field(
        default=None, description="recorded at this instant or later, whenever it happened"
    )


class Listing:
    """What may be asked of the lists of one noun. `siblings` has those of all nouns of its service, itself among
    them."""

    def __init__(self, service: str, resource: Resource, siblings: "Mapping[str, Listing]") -> None:
        self.service, self.resource = service, resource
        self._siblings = siblings
        self.fields = fields_of(resource)

    def check(self) -> None:
        """Raises InvalidForm."""
        if taken := Question.model_fields.keys() & {*self.fields, *self.relations}:
            raise InvalidForm(f"{self.resource.name}: lists have parameters {sorted(taken)} of another meaning.")

    @cached_property
    def _related(self) -> "dict[str, tuple[Relation, Listing | _Known]]":
        """The relations whose both sides are of this service, and those to records of which it keeps some facts."""
        ours, found = self.resource, dict[str, tuple[Relation, Listing | _Known]]()
        for each in ours.relations:
            if (other := self._siblings.get(each.noun)) is not None:
                found[each.name] = (other.related_by(each.column, "id"), other)
            elif each.column in ours.follows:
                known = _Known(ours.follows[each.column].id.table)
                found[each.name] = (Relation(known.table, each.column, "id", known.fields), known)
        for other in self._siblings.values():
            for each in other.resource.relations:
                if each.noun == ours.name and each.many:
                    found[each.many] = (other.related_by("id", each.column), other)
        return found

    @cached_property
    def relations(self) -> dict[str, Relation]:
        return {name: relation for name, (relation, _) in self._related.items()}

    def related_by(self, ours: str, theirs: str) -> Relation:
        """Returns the relation of another noun to these records, by the columns that are equal."""
        customisable = self.resource.name if self.customisable else None
        return Relation(self.resource.table, ours, theirs, self.fields, customisable)

    @property
    def customisable(self) -> bool:
        return self.resource.is_customisable

    @cached_property
    def where(self) -> type[Where]:
        """The model of a condition: `CustomersWhere`."""
        related = {name: other.where_related for name, (_, other) in self._related.items()}
        name, customisable = pascal(self.resource.plural), self.customisable
        return where_model(name, self.fields, related, strict=True, customisable=customisable)

    @cached_property
    def where_related(self) -> type[Where]:
        """The same for records of another noun that are related to these."""
        name, customisable = f"Related{pascal(self.resource.plural)}", self.customisable
        return where_model(name, self.fields, {}, strict=True, customisable=customisable)

    @cached_property
    def query(self) -> type[Question]:
        """The model of what is asked in a query string."""
        related = {
            name: where_model(name, other.fields, {}, strict=False, customisable=relation.customisable is not None)
            for name, (relation, other) in self._related.items()
        }
        where = where_model("Query", self.fields, related, strict=False, customisable=self.customisable)
        return self._question(where, strict=False)

    @cached_property
    def search(self) -> type[Question]:
        """The model of the body of a search: `SearchCustomers`."""
        return self._question(self.where, strict=True)

    def _question(self, where: type[Where], *, strict: bool) -> type[Question]:
        name = f"Search{pascal(self.resource.plural)}"
        base = Question if strict else type("LaxQuestion", (Question,), {"model_config": ConfigDict(strict=False)})
        optional: Any = where | None
        return create_model(name, __base__=base, where=(optional, None))

    def asked_in_body(self, body: bytes, *, personal: bool) -> Asked:
        """Returns what is asked by a JSON body. Raises Invalid, ValidationError, and Forbidden for a field that the
        actor may not see."""
        return self._asked(read(self.search, body or b"{}"), personal=personal)

    def asked_in_query(self, sent: Iterable[tuple[str, str]], *, personal: bool, but: Collection[str] = ()) -> Asked:
        """Returns what is asked by the parameters of a query string, `but` these, which it does not take. Raises as
        `asked_in_body`."""
        document = document_of(sent, self, but)
        try:
            given = self.query.model_validate(document)
        except ValidationError as error:
            raise in_parameters(error) from None
        return self._asked(given, personal=personal)

    def asked_in_graphql(
        self,
        where: Where | None,
        terms: Sequence[Term],
        first: int,
        after: str | None,
        q: str | None = None,
        *,
        personal: bool,
    ) -> Asked:
        """Raises Invalid, and Forbidden for a field that the actor may not see."""
        if len(terms) > MOST_TERMS:
            raise Invalid(f"A list is sorted by at most {MOST_TERMS} fields.", field="orderBy")
        order = Order.by(terms) if terms else NEWEST
        asked = Asked(condition_of(where), order, first, after, wanted=_wanted(q, terms, "orderBy"))
        return self._settled(asked, personal=personal)

    def _asked(self, given: Any, *, personal: bool) -> Asked:
        terms = [self._term(each) for each in given.order_by]
        order = Order.by(terms) if terms else NEWEST
        shown = tuple(dict.fromkeys(self._shown(each) for each in given.fields)) or None
        wanted = _wanted(given.q, terms, "order_by")
        asked = Asked(condition_of(given.where), order, given.first, given.after, given.count, shown, wanted)
        if given.ids is not None:
            asked = asked.and_also("id", Operator.IN, given.ids)
        if given.updated_since is not None:
            asked = asked.and_also(RECORDED, Operator.GTE, given.updated_since)
        return self._settled(asked, personal=personal)

    def _settled(self, asked: Asked, *, personal: bool) -> Asked:
        """Returns what was asked, without the records that lists leave out, unless it speaks of them. Raises
        Forbidden."""
        if not personal:
            self._require_visible(asked)
        compared = {field for over, field in asked.fields_compared() if over is None}
        return asked if compared & _SPEAK_OF_ALL else asked.without(*self.fields)

    def _term(self, sent: str) -> Term:
        name, *how = sent.split(".")
        if self.customisable and name == "custom" and how:
            name, how = f"custom.{how[0]}", how[1:]
        sorted_by = [each.name for each in self.fields.values() if each.sorts]
        if name not in sorted_by and not name.startswith("custom."):
            raise Invalid(f"Lists are sorted by {', '.join(sorted_by)}; not by {name!r}.", field="order_by")
        if how not in _WAYS:
            raise Invalid("Behind the field stands .asc or .desc, .nulls_first or .nulls_last.", field="order_by")
        return Term(name, "desc" in how, "nulls_first" in how)

    def _shown(self, sent: str) -> str:
        if sent not in self.resource.view_fields:
            raise Invalid(f"It is one of {', '.join(self.resource.view_fields)}; not {sent!r}.", field="fields")
        return sent

    def _require_visible(self, asked: Asked) -> None:
        """An actor who may not see a field must not learn of it by asking which rows have a value of it, or in which
        order they come."""
        compared = asked.fields_compared()
        fields = [(self.fields if over is None else self.relations[over].fields)[name] for over, name in compared]
        # A custom field may be seen or not by what the tenant says: see kith.custom.listed.
        fields += [self.fields[each.field] for each in asked.order.terms if not each.is_custom]
        shown = self.resource.personal_fields.intersection(asked.fields or ())
        if shown or any(each.personal for each in fields):
            raise Forbidden(f"This needs the scope {self.service}:personal.")


class _Known:
    """The records of another service of which facts are kept here, in a table of their own: `known_customers`."""

    def __init__(self, table: Table) -> None:
        self.table = table
        out = {"merged_into", "told_merged_into", "erased_at"}
        facts = (each for each in columns_in_use(table) if not each.primary_key and each.name not in out)
        named = (each for each in facts if not isinstance(each.type, ARRAY))
        self.fields = {
            each.name: ListedField(each.name, each.type.python_type, personal=False, sorts=False) for each in named
        }

    @cached_property
    def where_related(self) -> type[Where]:
        return _where_known(self.table)


@cache
def _where_known(table: Table) -> type[Where]:
    """Returns the one model for all nouns of a service: `KnownCustomersWhere`."""
    return where_model(pascal(table.name), _Known(table).fields, {}, strict=True)


def _wanted(q: str | None, terms: Sequence[Term], order_by: str) -> Wanted | None:
    if q is None:
        return None
    if terms:
        raise Invalid("Of a search the best come first: send no order with it.", field=order_by)
    return Wanted.by(q)


def listings_of(service: str, resources: Sequence[Resource]) -> dict[str, Listing]:
    """Returns the listing of each noun of a service, by the noun's name."""
    listings: dict[str, Listing] = {}
    listings.update((each.name, Listing(service, each, listings)) for each in resources)
    for each in listings.values():
        each.check()
    return listings


def fields_of(resource: Resource) -> dict[str, ListedField]:
    """Returns the fields that lists of the noun may be filtered by, in the order of its form."""
    archived = ("archived_at",) if resource.archivable else ()
    return {name: _field(resource, name) for name in (*OF_ALL, *archived, *resource.filters)}


def _field(resource: Resource, name: str) -> ListedField:
    column = resource.table.c[name]
    kind = list[str] if isinstance(column.type, ARRAY) else getattr(column.type, "enum_class", None)
    kind = kind or column.type.python_type
    # An order by what names other records tells nobody anything.
    sorts = name in OF_ALL or (kind not in (list[str], UUID) and name not in resource.unindexed)
    return ListedField(name, kind, name in resource.personal_fields, sorts)
