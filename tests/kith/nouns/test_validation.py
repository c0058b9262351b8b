"""A form whose faces do not go together is refused when it is made, in a sentence that says where to look."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, NoReturn, Self
from uuid import UUID

import pytest
from sqlalchemy import ARRAY, TEXT, Column, Date, DateTime, ForeignKeyConstraint, Index, Integer, MetaData, Table, Uuid
from sqlalchemy.types import TypeEngine

from kith.db.tables import Amount, Structured, aggregate_table, one_of, reference
from kith.events.event import Event
from kith.nouns.aggregate import CustomerOwned
from kith.nouns.graphql import Graph
from kith.nouns.inputs import Input, NewInput
from kith.nouns.lists.listing import listings_of
from kith.nouns.resource import Command, Follows, One, Resource, View, personal
from kith.nouns.validation import InvalidForm
from kith.scalars import Code, Currency, Id, Money, Text


class State(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"


class Other(StrEnum):
    OPEN = "open"


class QuoteIssued(Event):
    type: ClassVar[str] = "sales.quote.issued.v1"
    creates: ClassVar[bool] = True
    state: str
    value: Decimal
    currency: str
    lead_id: UUID | None = None


class QuoteAccepted(Event):
    type: ClassVar[str] = "sales.quote.accepted.v1"
    value: Decimal


class QuoteTitled(Event):
    type: ClassVar[str] = "sales.quote.titled.v1"
    title: str


@dataclass(kw_only=True, eq=False)
class Quote(CustomerOwned):
    """What something would cost a customer."""

    title: str
    value: Decimal
    currency: str
    state: State = State.OPEN
    lead_id: UUID | None = None

    @classmethod
    def issue(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, QuoteIssued]:
        it = cls(id=id, **fields)
        return it, QuoteIssued.of(it)

    def accept(self, *, at: datetime, value: Decimal) -> QuoteAccepted:
        self.ensure_not_before_last_change(at)
        self.state, self.value = State.ACCEPTED, value
        return QuoteAccepted.of(self)

    def rename(self, *, at: datetime, title: str) -> QuoteTitled:
        self.ensure_not_before_last_change(at)
        self.title = title
        return QuoteTitled.of(self)

    def forget(self, *, at: datetime) -> None:
        self.ensure_not_before_last_change(at)
        self.lead_id = None


class IssueQuote(NewInput):
    customer_id: Id | None = None
    lead_id: Id | None = None
    title: Text
    value: Money
    currency: Currency


class AcceptQuote(Input):
    value: Money


class NameQuote(Input):
    title: Text


class Empty(Input):
    pass


@dataclass(slots=True)
class QuoteView(View):
    customer_id: UUID | None
    value: Decimal
    currency: str
    state: State
    lead_id: UUID | None
    title: str | None = personal()


REASON = {"title": "tested here"}
ISSUE, ACCEPT = Command("issue", IssueQuote, Quote.issue), Command("accept", AcceptQuote, Quote.accept)


def instead(column: Column[Any]) -> Table:
    """The table with this column instead of the one of that name."""
    return table(column.name, more=(column,))


def table(
    *without: str, more: tuple[Column[Any], ...] = (), listed_by: tuple[str, ...] = ("state", "lead_id")
) -> Table:
    metadata = MetaData()
    lead_table = aggregate_table("leads", metadata, Column("currency", TEXT, nullable=False))
    columns: tuple[Column[Any], ...] = (
        Column("title", TEXT, nullable=False),
        Column("value", Amount, nullable=False),
        Column("currency", TEXT, nullable=False),
        Column("state", one_of(State), nullable=False),
    )
    named = reference("lead_id", lead_table)
    kept = [column for column in columns if column.name not in without]
    return aggregate_table("quotes", metadata, *kept, *more, *named, customer_owned=True, listed_by=listed_by)


def leads() -> Table:
    return table().metadata.tables["leads"]


def quote(**faces: Any) -> Resource:
    form: dict[str, Any] = {
        "name": "quote",
        "plural": "quotes",
        "aggregate": Quote,
        "table": table(),
        "view": QuoteView,
        "commands": (ISSUE, ACCEPT),
        "filters": ("customer_id", "state"),
        "follows": {"lead_id": Follows(leads().c.id, ("currency",))},
        "relations": (One("customer", many="quotes"), One("lead", many="quotes")),
    }
    return Resource(**form | faces)


def never_called() -> NoReturn:
    """A form is validated by what its rules declare."""
    raise AssertionError


def problems(**faces: Any) -> list[str]:
    with pytest.raises(InvalidForm) as refused:
        quote(**faces)
    return str(refused.value).split("\n")


def test_a_noun_whose_faces_go_together_is_made() -> None:
    assert quote().personal_fields == {"title"}


def test_a_field_without_a_column() -> None:
    assert "quote: the aggregate has a field `title` that the table has no column for." in problems(
        table=table("title")
    )


def test_a_column_without_a_field() -> None:
    assert problems(table=table(more=(Column("region", TEXT),))) == [
        "quote: the table has a column `region` that the aggregate has no field for."
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("value", Integer()),
        ("title", ARRAY(TEXT)),
        ("title", Uuid()),
        ("state", TEXT()),
        ("state", one_of(Other)),
        ("state", Structured(State | int)),
    ],
)
def test_a_column_that_does_not_fit(name: str, kind: TypeEngine[Any]) -> None:
    (problem,) = problems(table=instead(Column(name, kind, nullable=False)))
    assert problem.startswith(f"quote: the table's column `{name}` is ")
    assert problem.endswith(f", which does not fit the aggregate's {Quote.__annotations__[name].__name__}.")


@pytest.mark.parametrize("kind", [Date(), DateTime()])
def test_an_instant_is_kept_with_its_zone(kind: TypeEngine[Any]) -> None:
    quotes = table()
    quotes.c.created_at.type = kind
    (problem,) = problems(table=quotes)
    assert "the table's column `created_at`" in problem


def test_a_column_that_may_be_null_where_the_field_is_never_none() -> None:
    assert problems(table=instead(Column("value", Amount))) == [
        "quote: the table's column `value` may be null, and the aggregate's field is never None."
    ]


def test_a_column_that_is_never_null_where_the_field_may_be_none() -> None:
    quotes = table()
    quotes.c.lead_id.nullable = False
    assert problems(table=quotes) == [
        "quote: the table's column `lead_id` is never null, and the aggregate's field may be None."
    ]


def test_a_reference_without_the_tenant() -> None:
    quotes = table()
    quotes.append_constraint(ForeignKeyConstraint(["lead_id"], ["leads.id"]))
    assert problems(table=quotes) == [
        "quote: the table's reference `lead_id` may name another tenant's row: it lacks `tenant_id`."
    ]


def test_a_key_without_the_tenant() -> None:
    plain = Table("quotes", MetaData(), *(Column(c.name, c.type, nullable=c.nullable) for c in table().c))
    assert "quote: the table's primary key does not begin with `tenant_id`." in problems(
        table=plain, filters=(), relations=(), follows={}
    )


def test_a_view_with_a_field_that_is_nowhere() -> None:
    @dataclass(slots=True)
    class Wrong(QuoteView):
        stage_id: UUID | None = None

    assert problems(view=Wrong) == ["quote: the view has a field `stage_id` that the table has no column for."]


def test_a_view_of_another_type() -> None:
    @dataclass(slots=True)
    class Wrong(View):
        value: str

    assert problems(view=Wrong, unpublished=REASON) == [
        "quote: the view's field `value` is str, and the aggregate's is Decimal."
    ]


def test_a_view_that_promises_what_may_be_none() -> None:
    @dataclass(slots=True)
    class Wrong(View):
        lead_id: UUID

    assert problems(view=Wrong, unpublished=REASON) == [
        "quote: the view's field `lead_id` is never None, and the aggregate's may be."
    ]


def test_a_personal_field_that_is_not_optional() -> None:
    @dataclass(slots=True)
    class Wrong(View):
        title: str = personal()

    assert problems(view=Wrong) == [
        "quote: the view's field `title` is personal, and so absent for some: it must be optional."
    ]


def test_an_input_with_a_field_that_no_rule_takes() -> None:
    class Wrong(IssueQuote):
        colour: Code

    assert problems(commands=(replace(ISSUE, input=Wrong), ACCEPT)) == [
        "quote: the input Wrong has a field `colour` that the rule of `issue` does not take."
    ]


def test_an_input_without_what_its_rule_takes() -> None:
    assert problems(commands=(ISSUE, replace(ACCEPT, input=Empty))) == [
        "quote: the input Empty has no field `value`, which the rule of `accept` takes."
    ]


def test_an_event_without_what_its_command_sets() -> None:
    class Least(Event):
        type: ClassVar[str] = "sales.quote.issued.v1"
        creates: ClassVar[bool] = True
        state: str
        currency: str
        lead_id: UUID | None = None

    def issue(*, id: UUID, at: datetime, **fields: Any) -> tuple[Quote, Least]:
        never_called()

    assert problems(commands=(replace(ISSUE, rule=issue),)) == [
        "quote: the event sales.quote.issued.v1 lacks the field `value`, which `issue` sets, and is not `personal()`."
    ]
    assert quote(commands=(replace(ISSUE, rule=issue),), unpublished={"value": "tested here"})


def test_an_event_without_what_a_new_one_always_has() -> None:
    class Least(Event):
        type: ClassVar[str] = "sales.quote.issued.v1"
        creates: ClassVar[bool] = True
        value: Decimal
        currency: str
        lead_id: UUID | None = None

    def issue(*, id: UUID, at: datetime, **fields: Any) -> tuple[Quote, Least]:
        never_called()

    assert problems(commands=(replace(ISSUE, rule=issue),)) == [
        "quote: the event sales.quote.issued.v1 lacks the field `state`, which `issue` sets, and is not `personal()`."
    ]


def test_an_event_with_a_personal_field() -> None:
    assert problems(commands=(ISSUE, Command("name", NameQuote, Quote.rename))) == [
        "quote: the event sales.quote.titled.v1 has a field `title`, which is personal."
    ]


def test_an_event_with_free_text() -> None:
    @dataclass(slots=True)
    class Open(QuoteView):
        title: str | None  # and not personal

    assert problems(view=Open, commands=(ISSUE, Command("name", NameQuote, Quote.rename)), unpublished=REASON) == [
        "quote: the event sales.quote.titled.v1 has a field `title`, which is free text, and may name a person."
    ]


def test_a_rule_without_an_event() -> None:
    assert problems(commands=(ISSUE, Command("forget", Empty, Quote.forget))) == [
        "quote: the rule of `forget` does not say which event it returns."
    ]


@pytest.mark.parametrize(
    ("noun", "creates", "problem"),
    [
        ("sales.offer", True, "is declared to be of sales.offer."),
        ("sales.quote", False, "declares that a quote does not begin with it."),
    ],
)
def test_an_event_that_contradicts_its_noun(noun: str, creates: bool, problem: str) -> None:
    wrong = type("Wrong", (QuoteIssued,), {"type": QuoteIssued.type, "noun": noun, "creates": creates})

    def issue(*, id: UUID, at: datetime, **fields: Any) -> Any:
        never_called()

    issue.__annotations__["return"] = wrong
    assert problems(commands=(replace(ISSUE, rule=issue),)) == [f"quote: the event sales.quote.issued.v1 {problem}"]


def test_a_reason_for_a_field_that_is_nowhere() -> None:
    assert problems(unpublished={"colour": "tested here"}) == [
        "quote: `unpublished` names a field `colour` that the aggregate does not have."
    ]


def test_a_filter_without_a_column() -> None:
    assert problems(filters=("colour",)) == ["quote: the filter `colour` has no column in the table."]


def test_a_change_whose_event_begins_a_noun() -> None:
    class Again(QuoteAccepted):
        type: ClassVar[str] = "sales.quote.accepted.v1"
        creates: ClassVar[bool] = True

    def accept(self: Quote, *, at: datetime, value: Decimal) -> Again:
        never_called()

    assert problems(commands=(ISSUE, replace(ACCEPT, rule=accept))) == [
        "quote: the event sales.quote.accepted.v1 declares that a quote begins with it."
    ]


def test_a_filter_without_an_index() -> None:
    unlisted = table(listed_by=("lead_id",))
    assert problems(table=unlisted) == [
        "quote: the filter `state` has no index in the table that begins with `tenant_id` and it."
    ]
    assert quote(table=unlisted, unindexed={"state": "There are few."})


def test_an_index_of_some_rows_only() -> None:
    some = table(listed_by=("lead_id",))
    Index("open_quotes", some.c.tenant_id, some.c.state, postgresql_where=some.c.state == State.OPEN)
    assert problems(table=some) == [
        "quote: the filter `state` has no index in the table that begins with `tenant_id` and it."
    ]


@pytest.mark.parametrize("name", ["state", "colour"])
def test_a_reason_for_what_is_no_filter_without_an_index(name: str) -> None:
    assert problems(unindexed={name: "tested here"}) == [
        f"quote: `unindexed` names `{name}`, which is no filter without an index."
    ]


def test_a_relation_by_what_is_no_id() -> None:
    assert problems(relations=(One("order"),)) == [
        "quote: the relation `order` is by `order_id`, which is no column of ids in the table."
    ]
    assert problems(relations=(One("price", by="value"),)) == [
        "quote: the relation `price` is by `value`, which is no column of ids in the table."
    ]


def test_a_list_of_a_relation_without_an_index() -> None:
    unlisted = table(listed_by=("state",))
    unlisted.indexes = {index for index in unlisted.indexes if index.name != "quotes_by_lead_id"}
    assert problems(table=unlisted) == [
        "quote: the relation `lead` lists by `lead_id`, which has no index in the table."
    ]


def test_following_what_is_no_id() -> None:
    assert problems(follows={"order_id": Follows(leads().c.id, ())}) == [
        "quote: `follows` names `order_id`, which is no column of ids in the table."
    ]


def test_following_a_record_of_any_tenant() -> None:
    anybodys = Table("anybodys", MetaData(), Column("id", Uuid))
    assert problems(follows={"lead_id": Follows(anybodys.c.id, ())}) == [
        "quote: `follows` looks `lead_id` up in the table anybodys, which has no `tenant_id`."
    ]


def test_taking_what_the_record_does_not_have() -> None:
    assert problems(follows={"lead_id": Follows(leads().c.id, ("customer_id",))}) == [
        "quote: `follows` takes `customer_id` by `lead_id`, which the table leads has no column for."
    ]


def test_taking_what_the_noun_has_no_field_for() -> None:
    regional = leads()
    regional.append_column(Column("region", TEXT))
    assert problems(follows={"lead_id": Follows(regional.c.id, ("region",))}) == [
        "quote: `follows` takes `region` by `lead_id`, which the aggregate has no field for."
    ]


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(problems(filters=("colour",), relations=(One("order"),), unpublished={"size": "tested here"})) == 3


class LaxQuote(IssueQuote):
    value: Money | None = None  # type: ignore[assignment]


def test_an_input_that_may_leave_out_what_the_aggregate_always_has() -> None:
    assert problems(commands=(replace(ISSUE, input=LaxQuote), ACCEPT)) == [
        "quote: the input LaxQuote may leave out `value`, which the aggregate always has."
    ]


def test_two_commands_of_one_name() -> None:
    assert problems(commands=(ISSUE, replace(ACCEPT, name="issue"))) == ["quote: two commands have the name `issue`."]


def test_each_of_the_events_that_a_rule_may_return_carries_what_is_set() -> None:
    class Least(Event):
        type: ClassVar[str] = "sales.quote.issued.v1"
        creates: ClassVar[bool] = True
        state: State
        currency: str
        lead_id: UUID | None = None

    class Further(Least):
        type: ClassVar[str] = "sales.quote.settled.v1"
        creates: ClassVar[bool] = False

    def either(*, id: UUID, at: datetime, **fields: Any) -> tuple[Quote, QuoteIssued | Least]:
        never_called()

    def both(*, id: UUID, at: datetime, **fields: Any) -> tuple[Quote, QuoteIssued, Further]:
        never_called()

    assert problems(commands=(replace(ISSUE, rule=either),)) == [
        "quote: the event sales.quote.issued.v1 lacks the field `value`, which `issue` sets, and is not `personal()`."
    ]
    assert quote(commands=(replace(ISSUE, rule=both),))


def test_what_one_statement_makes_has_no_checks() -> None:
    async def checks(*_: object) -> Any:
        never_called()

    assert problems(insert_only=True, checks=checks) == [
        "quote: it is `insert_only`, so one statement makes it, and has `checks`, which that would pass by."
    ]


def test_a_relation_with_the_name_of_a_field() -> None:
    (problem,) = problems(relations=(One("state", by="lead_id", to="lead"),))
    assert problem == "quote: the relation `state` has the name of a field of the view."


def test_two_relations_that_give_a_type_the_same_list() -> None:
    quotes = quote(
        relations=(One("customer", many="quotes"), One("payer", by="customer_id", to="customer", many="quotes"))
    )
    with pytest.raises(TypeError, match="Customer has two fields `quotes`"):
        Graph("sales", listings_of("sales", (quotes,)))
