"""Value objects within a noun: one declaration, and a form that says where a face of it does not match."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct
from pydantic import ValidationError
from sqlalchemy import MetaData

from kith.db.tables import aggregate_table, values_column
from kith.events.event import Amended, Event
from kith.nouns.aggregate import Aggregate
from kith.nouns.fingerprints import fingerprint
from kith.nouns.inputs import UNSENT, Amendment, NewInput
from kith.nouns.resource import Command, Resource, View, personal
from kith.nouns.validation import InvalidForm
from kith.nouns.value_inputs import Values, input_of
from kith.scalars import Code, Flag, Id, Text, Whole
from kith.values import Value, filled, hidden, shown_type, without_personal


@dataclass(frozen=True, kw_only=True, slots=True)
class Line(Value):
    """A line of a note."""

    text: Text = personal(required=True)
    author: Text | None = personal()
    label: Code | None = None
    product_id: Id | None = None
    pinned: Flag = False


class LineSeen(Struct, omit_defaults=True):
    label: str | None = None
    product_id: UUID | None = None
    pinned: bool = False


class LineNamed(LineSeen, omit_defaults=True):
    author: str | None = None
    colour: str | None = None


class PageWritten(Event):
    type: ClassVar[str] = "sales.page.written.v1"
    creates: ClassVar[bool] = True
    lines: list[LineSeen] = msgspec.field(default_factory=list)


class PageAmended(Amended):
    type: ClassVar[str] = "sales.page.amended.v1"
    lines: list[LineSeen] = msgspec.field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Page(Aggregate):
    """What was noted."""

    lines: list[Line] = field(default_factory=list)

    @classmethod
    def write(cls, *, id: UUID, at: datetime, lines: list[Line]) -> tuple[Self, PageWritten]:
        it = cls(id=id, lines=lines)
        return it, PageWritten.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> PageAmended:
        self.ensure_not_before_last_change(at)
        return PageAmended.of_changed(self, self.set(fields))


class WritePage(NewInput):
    lines: Annotated[list[Line], Values(2)]


class AmendPage(Amendment):
    lines: Annotated[list[Line], Values(2)] = UNSENT


@dataclass(slots=True)
class PageView(View):
    lines: list[Line]


WRITE, AMEND = Command("write", WritePage, Page.write), Command("amend", AmendPage, Page.amend)
FULL = {"text": "Call Ann", "author": "Bob", "label": "todo", "product_id": str(UUID(int=1)), "pinned": True}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEPT = Line(text="Call Ann", author="Bob", label="todo", product_id=UUID(int=1), pinned=True)


def page(**faces: Any) -> Resource:
    table = aggregate_table("pages", MetaData(), values_column("lines", Line))
    form: dict[str, Any] = {"aggregate": Page, "table": table, "view": PageView, "commands": (WRITE, AMEND)}
    return Resource("page", "pages", **(form | faces))


def problems(**faces: Any) -> list[str]:
    with pytest.raises(InvalidForm) as refused:
        page(**faces)
    return str(refused.value).split("\n")


def written_by(rule: Any) -> Command:
    return Command("write", WritePage, rule)


def test_what_is_sent_is_read_as_the_value_object() -> None:
    given = WritePage.model_validate_json(msgspec.json.encode({"lines": [FULL, {"text": "  Buy tea "}]}))
    assert given.lines == [KEPT, Line(text="Buy tea")]
    of_graphql = {"lines": [FULL | {"product_id": UUID(int=1)}]}
    assert WritePage.model_validate(of_graphql).lines == [KEPT]


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([{"text": "a"}, {}], "lines.1.text"),
        ([{"text": "a\0"}], "lines.0.text"),
        ([{"text": "a", "colour": "red"}], "lines.0.colour"),
        ([{"text": "a", "pinned": "true"}], "lines.0.pinned"),
        ([{"text": "a", "product_id": "1"}], "lines.0.product_id"),
        ([{"text": "a"}] * 3, "lines"),
        ({"text": "a"}, "lines"),
        (["a"], "lines.0"),
        (None, "lines"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(lines: object, where: str) -> None:
    for model in (WritePage, AmendPage):
        with pytest.raises(ValidationError) as refused:
            model.model_validate_json(msgspec.json.encode({"lines": lines}))
        assert [".".join(map(str, each["loc"])) for each in refused.value.errors()] == [where]


def test_a_part_that_is_added_later_leaves_earlier_calls_what_they_were() -> None:
    """A part with its default is not in the fingerprint."""
    for model in (WritePage, AmendPage):
        sent = [model.model_validate({"lines": [line]}) for line in ({"text": "a"}, {"text": "a", "pinned": False})]
        assert len({fingerprint("x", each) for each in sent}) == 1
        other = model.model_validate({"lines": [{"text": "a", "pinned": True}]})
        assert fingerprint("x", other) != fingerprint("x", sent[0])


def test_an_event_carries_the_parts_that_are_not_personal() -> None:
    it, event = Page.write(id=UUID(int=1), at=NOON, lines=[KEPT, Line(text="Buy tea")])
    it.created_at = it.updated_at = NOON
    seen = [{"label": "todo", "product_id": str(UUID(int=1)), "pinned": True}, {}]
    assert msgspec.json.decode(msgspec.json.encode(event)) == {"lines": seen}
    amended = it.amend(at=NOON, lines=[KEPT])
    assert msgspec.json.decode(msgspec.json.encode(amended)) == {"changed": ["lines"], "lines": seen[:1]}


def test_it_is_shown_without_its_personal_parts() -> None:
    assert page().partly_personal == {"lines": ("label", "product_id", "pinned")}
    public = {"label": "todo", "product_id": UUID(int=1), "pinned": True}
    assert without_personal([KEPT], page().partly_personal["lines"]) == [public]
    (shown,) = hidden([KEPT])
    assert {name: getattr(shown, name) for name in FULL} == {"text": None, "author": None, **public}


def test_it_is_kept_as_json_and_read_back() -> None:
    column: Any = page().table.c.lines.type
    assert column.process_result_value(column.process_bind_param([KEPT], None), None) == [KEPT]
    assert column.process_result_value([{"text": "of before there were other parts"}], None)[0].pinned is False


def test_an_event_that_lacks_a_part_or_has_one_too_many() -> None:
    class Least(Struct):
        label: str | None = None

    class Little(Event):
        type: ClassVar[str] = "sales.page.written.v1"
        creates: ClassVar[bool] = True
        lines: list[Least] = msgspec.field(default_factory=list)

    class Much(Event):
        type: ClassVar[str] = "sales.page.written.v1"
        creates: ClassVar[bool] = True
        lines: list[LineNamed] = msgspec.field(default_factory=list)

    def little(*, id: UUID, at: datetime, lines: list[Line]) -> tuple[Page, Little]:
        raise AssertionError

    def much(*, id: UUID, at: datetime, lines: list[Line]) -> tuple[Page, Much]:
        raise AssertionError

    event = "page: the event sales.page.written.v1"
    assert problems(commands=(written_by(little),)) == [
        f"{event} lacks the part `lines.pinned`, which is not `personal()`.",
        f"{event} lacks the part `lines.product_id`, which is not `personal()`.",
    ]
    assert problems(commands=(written_by(much),)) == [
        f"{event} has a part `lines.author`, which is personal.",
        f"{event} has a part `lines.colour`, which Line does not have.",
    ]


def test_a_part_with_free_text_that_an_event_would_carry() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Open(Value):
        text: Text

    class OpenSeen(Struct):
        text: str

    class Written(Event):
        type: ClassVar[str] = "sales.page.written.v1"
        creates: ClassVar[bool] = True
        lines: list[OpenSeen]

    @dataclass(kw_only=True, eq=False)
    class Aloud(Aggregate):
        lines: list[Open] = field(default_factory=list)

        @classmethod
        def write(cls, *, id: UUID, at: datetime, lines: list[Open]) -> tuple[Self, Written]:
            raise AssertionError

    Aloud.__annotations__["lines"] = list[Open]

    class WriteAloud(NewInput):
        lines: Annotated[list[Open], Values(2)]

    @dataclass(slots=True)
    class Seen(View):
        lines: list[Open]

    Aloud.write.__func__.__annotations__["return"] = tuple[Aloud, Written]  # type: ignore[attr-defined]
    table = aggregate_table("pages", MetaData(), values_column("lines", Open))
    write = Command("write", WriteAloud, Aloud.write)
    (problem,) = problems(aggregate=Aloud, table=table, view=Seen, commands=(write,))
    assert problem.endswith("has a field `lines` with a part that is free text, and may name a person.")


def test_an_input_of_another_value_object() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Other(Value):
        text: Text = personal(required=True)

    class WriteOther(NewInput):
        lines: Annotated[list[Other], Values(2)]

    assert "page: the input WriteOther reads `lines` as something else than Line." in problems(
        commands=(Command("write", WriteOther, Page.write),)
    )


def test_a_list_of_which_nothing_is_left_is_personal_as_a_whole() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Secret(Value):
        text: Text = personal(required=True)

    @dataclass(kw_only=True, eq=False)
    class Diary(Page):
        lines: list[Secret] = field(default_factory=list)  # type: ignore[assignment]

    @dataclass(slots=True)
    class Seen(View):
        lines: list[Secret]

    table = aggregate_table("pages", MetaData(), values_column("lines", Secret))
    assert "page: all parts of `lines` are personal, and so it is `personal()` as a whole in the view." in problems(
        aggregate=Diary, table=table, view=Seen
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Priced(Value):
    """A value with a part that is computed."""

    text: Text
    amount: Annotated[int, Whole(0)] = filled()


def test_a_part_that_the_rules_fill_in_may_be_left_out_and_is_always_shown() -> None:
    model = input_of(Priced)
    assert [name for name, each in model.model_fields.items() if each.is_required()] == ["text"]
    assert model.model_validate({"text": "a", "amount": 3}).model_dump() == {"text": "a", "amount": 3}
    shown = {each.name: each.type for each in fields(shown_type(Priced))}
    assert shown == {"text": str, "amount": int}


def test_a_free_text_in_a_value_may_be_left_out_of_events_with_its_reason() -> None:
    class PricedSeen(Struct):
        amount: int

    class Written(Event):
        type: ClassVar[str] = "sales.page.written.v1"
        creates: ClassVar[bool] = True
        lines: list[PricedSeen]

    @dataclass(kw_only=True, eq=False)
    class Bill(Aggregate):
        lines: list[Priced] = field(default_factory=list)

        @classmethod
        def write(cls, *, id: UUID, at: datetime, lines: list[Priced]) -> "tuple[Bill, Written]":
            raise AssertionError

    class WriteBill(NewInput):
        lines: Annotated[list[Priced], Values(2)]

    @dataclass(slots=True)
    class Seen(View):
        lines: list[Priced]

    Bill.write.__func__.__annotations__["return"] = tuple[Bill, Written]  # type: ignore[attr-defined]
    table = aggregate_table("pages", MetaData(), values_column("lines", Priced))
    form = {"aggregate": Bill, "table": table, "view": Seen, "commands": (Command("write", WriteBill, Bill.write),)}
    assert page(**form, unpublished={"lines.text": "Words for people."})
    lacks = "page: the event sales.page.written.v1 lacks the part `lines.text`, which is not `personal()`."
    assert lacks in problems(**form)
    (problem,) = problems(**form, unpublished={"lines.text": "", "lines.colour": ""})
    assert problem == "page: `unpublished` names a field `lines.colour` that the aggregate does not have."
