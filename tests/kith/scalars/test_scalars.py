"""How each scalar is spelt, and that nothing else passes for it: in JSON, from Python, and as text."""

import asyncio
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from kith.errors import Invalid
from kith.nouns.inputs import json_of
from kith.scalars import (
    Code,
    Country,
    Currency,
    Cursor,
    Day,
    Email,
    Flag,
    Id,
    Instant,
    Key,
    Language,
    Money,
    Note,
    Percentage,
    Phone,
    Quantity,
    Real,
    Text,
    TimeOfDay,
    Whole,
    Zone,
    bare,
    bare_scalars,
    spelt,
)
from kith.scalars.currencies import MINOR_UNITS, misfit
from kith.scalars.zones import ZONES
from kith_local.postgres import EmbeddedPostgres

Count, Share = Annotated[int, Whole(1, 365)], Annotated[float, Real(0, 1)]
AN_ID = "019ca000-0000-7000-8000-000000000002"

TAKEN: list[tuple[Any, Any, Any]] = [
    (Instant, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    (Instant, "2026-01-31T13:00:00+01:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    (Instant, "2026-01-31T12:00:00.123456Z", datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)),
    (Instant, "1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
    (Day, "2024-02-29", date(2024, 2, 29)),
    (Id, AN_ID, UUID(AN_ID)),
    (Id, AN_ID.upper(), UUID(AN_ID)),
    (Money, "10.5", Decimal("10.5000")),
    (Money, 10.5, Decimal("10.5000")),
    (Money, 10, Decimal("10.0000")),
    (Money, "1000000000000", Decimal("1000000000000.0000")),
    (Quantity, "0.0001", Decimal("0.0001")),
    (Quantity, 1_000_000_000, Decimal("1000000000.0000")),
    (Percentage, 0, Decimal("0.0000")),
    (Percentage, "100", Decimal("100.0000")),
    (Count, 365, 365),
    (Share, 1, 1.0),
    (Flag, True, True),
    (Email, " Ada@Example.ORG ", "Ada@example.org"),
    (Email, "a.b+c@mail.example.co.uk", "a.b+c@mail.example.co.uk"),
    (Email, "zoe\u0308@bücher.example", "zoë@bücher.example"),
    (Phone, "+43 1 5125 0", "+43 1 5125 0"),
    (Phone, "(020) 7946/0958", "(020) 7946/0958"),
    (Country, "AT", "AT"),
    (Language, "de", "de"),
    (Language, "zh-Hant-TW", "zh-Hant-TW"),
    (TimeOfDay, "00:00", "00:00"),
    (TimeOfDay, "23:59", "23:59"),
    (Text, "  Zoë\u200d  ", "Zoë\u200d"),
    (Text, "Zoe\u0308", "Zoë"),
    (Text, "👩‍👩‍👧", "👩‍👩‍👧"),
    (Note, "one\r\ntwo\tthree", "one\ntwo\tthree"),
    (Currency, "JPY", "JPY"),
    (Zone, "US/Eastern", "US/Eastern"),
    (Key, "order 7/a", "order 7/a"),
]
REFUSED: list[tuple[Any, Any]] = [
    *(
        (Email, sent)
        for sent in (
            "ada",
            "ada@",
            "@example.org",
            "ada@localhost",
            "a da@example.org",
            "a@b@c.org",
            "ada@example..org",
            "a..b@example.org",
            ".ada@example.org",
            "ada@-example.org",
            "ada@example.invalid",
            "ada@[127.0.0.1]",
            f"{'a' * 250}@example.org",
            7,
        )
    ),
    *((Phone, sent) for sent in ("call me", "+", "+43 1 5125 0 or so", "0" * 41, 431)),
    *((Country, sent) for sent in ("at", "AUT", "Ö1", "")),
    *((Language, sent) for sent in ("German", "de_AT", "DE", "zh-hant")),
    *((TimeOfDay, sent) for sent in ("24:00", "9:00", "09:60", "09:00:00", "9am")),
    *(
        (Instant, sent)
        for sent in (
            "0001-01-01T00:00:00Z",
            "1899-12-31T23:59:59Z",
            "1900-01-01T00:00:00+01:00",
            "2201-01-01T00:00:00Z",
            "9999-12-31T23:59:59-14:00",
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00z",
            "2026-01-31T24:00:00Z",
            "2026-12-31T23:59:60Z",
            "2026-01-31T12:00:00.1234567Z",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00+23:00",
            "2026-02-30T12:00:00Z",
            "2026-W05-6T12:00:00Z",
            "20260131T120000Z",
            "+002026-01-31T12:00:00Z",
            "\uff12\uff10\uff12\uff16-01-31T12:00:00Z",
            "2026-01-31T12:00:00Z\n",
            "-infinity",
            "now",
            "1769860800",
            1769860800,
            1769860800.5,
            True,
        )
    ),
    *(
        (Day, sent)
        for sent in ("2026-02-30", "2026-1-1", "20260131", "0001-01-01", "2201-01-01", "2026-01-31T00:00:00Z", 20454)
    ),
    *((Id, sent) for sent in (AN_ID.replace("-", ""), f"urn:uuid:{AN_ID}", f"{{{AN_ID}}}", f" {AN_ID}", "", 7)),
    *(
        (Money, sent)
        for sent in (
            "1_000",
            "\uff11\uff12",
            "+5",
            " 5",
            "5 ",
            "1e3",
            ".5",
            "5.",
            "05",
            "NaN",
            "Infinity",
            "-1",
            "1.00001",
            "",
            True,
        )
    ),
    (Money, "1000000000000.0001"),
    (Money, 9223372036855),
    (Money, 1e30),
    *((Quantity, sent) for sent in (0, "0", "0.00001", -1, 1_000_000_001, "1e3", True, "9" * 400, float("nan"))),
    *((Percentage, sent) for sent in (-1, "100.0001", "12,5", "5%", None)),
    *((Count, sent) for sent in (0, 366, 1.0, 1.5, True, "5", 10**400)),
    *((Share, sent) for sent in (-0.1, 1.1, True, "0.5")),
    *((Flag, sent) for sent in (0, 1, "true", "yes")),
    *((Text, sent) for sent in ("", "  ", "a\0b", "\u0085", "a\u009fb", "a\nb", "a\tb", "a\u2028b", "x" * 501, 5)),
    *((Text, sent) for sent in ("\u200b", "\u200d\ufeff", "\u3164", "\u2800", "\u0301", "\u202e", "\ue000"[:0])),
    (Note, "a\0b"),
    (Note, "\n"),
    (Code, "x" * 101),
    *((Currency, sent) for sent in ("eur", "EUX", "XXX", "XTS", "XAU", "EUR ", "€", "DEM")),
    *(
        (Zone, sent)
        for sent in ("localtime", "Factory", "posixrules", "posix/Europe/Vienna", "Vienna", "../etc/passwd", "")
    ),
    *((Cursor, sent) for sent in ("", "=", "a b", "é", "x" * 15_001)),
    *((Key, sent) for sent in ("", "\0", "é", "a\tb", "x" * 256)),
]


def model_of(scalar: Any) -> type[BaseModel]:
    class Sent(BaseModel):
        model_config = ConfigDict(strict=True)
        it: scalar

    return Sent


@pytest.mark.parametrize(("scalar", "sent", "kept"), TAKEN)
def test_what_is_spelt_right_is_kept_the_same_from_json_and_from_python(scalar: Any, sent: Any, kept: Any) -> None:
    model = model_of(scalar)
    for found in (model.model_validate({"it": sent}), model.model_validate_json(json.dumps({"it": sent}))):
        value = found.it  # type: ignore[attr-defined]
        assert (value, type(value), str(value)) == (kept, type(kept), str(kept))


@pytest.mark.parametrize(("scalar", "sent"), REFUSED)
def test_whatever_would_have_to_be_guessed_is_refused(scalar: Any, sent: Any) -> None:
    model = model_of(scalar)
    with pytest.raises(ValidationError):
        model.model_validate({"it": sent})
    with pytest.raises(ValidationError):
        model.model_validate_json(json.dumps({"it": sent}))


@pytest.mark.parametrize("scalar", [Text, Code, Note])
def test_half_a_surrogate_pair_is_no_text(scalar: Any) -> None:
    with pytest.raises(ValidationError, match="surrogate"):
        model_of(scalar).model_validate({"it": "a\ud800"})


@pytest.mark.parametrize(
    ("scalar", "sent", "kept"),
    [(Count, "42", 42), (Share, "0.25", 0.25), (Flag, "true", True), (Flag, "false", False)],
)
def test_where_all_is_text_numbers_bare_scalars_in_digits(scalar: Any, sent: str, kept: Any) -> None:
    assert TypeAdapter(scalar).validate_python(sent) == kept


@pytest.mark.parametrize(
    ("scalar", "sent"),
    [
        *((Count, sent) for sent in ("1_0", "+5", " 5", "5 ", "\uff15", "05", "5.0", "1e1", "366", "0x5", "", "--5")),
        *((Share, sent) for sent in ("1e-1", ".5", "0_1", "nan", "inf", "+0.5", "2", "0,5")),
        *((Flag, sent) for sent in ("True", "1", "yes", "on", "t", "")),
    ],
)
def test_where_all_is_text_nothing_else_is_a_number(scalar: Any, sent: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(scalar).validate_python(sent)


def test_the_error_says_the_rule_and_the_nearest_name() -> None:
    with pytest.raises(ValidationError, match=r"It is not an IANA time zone\. For instance: Europe/Vienna\."):
        TypeAdapter(Zone).validate_python("vienna")
    with pytest.raises(ValidationError, match="An instant lies between the years 1900 and 2200"):
        TypeAdapter(Instant).validate_python("0001-01-01T00:00:00Z")
    with pytest.raises(ValidationError, match="from 0 to 1,000,000,000,000"):
        TypeAdapter(Money).validate_python("9223372036855")


def test_a_type_is_spelt_all_through_and_can_be_stripped_again() -> None:
    kind = dict[str, list[int | None]]
    assert list(bare_scalars(kind)) == [str, int]
    assert list(bare_scalars(spelt(kind))) == []
    assert bare(spelt(kind)) == kind


async def test_postgresql_knows_every_zone(postgres: EmbeddedPostgres) -> None:
    await asyncio.to_thread(postgres.create_databases, "zones")
    connection = await asyncpg.connect(postgres.url("zones"))
    known = await connection.fetch("SELECT zone, timezone(zone, now()) FROM unnest($1::text[]) zone", sorted(ZONES))
    assert len(known) == len(ZONES)
    await connection.close()


@pytest.mark.parametrize(
    ("amount", "currency", "rule"),
    [
        ("10.50", "EUR", None),
        ("10.505", "EUR", "An amount in EUR has 2 decimals at most."),
        ("10", "JPY", None),
        ("10.50", "JPY", "JPY has no minor unit: an amount in it is a whole number."),
        ("10.505", "BHD", None),
        ("10.5055", "BHD", "An amount in BHD has 3 decimals at most."),
        ("10.5055", "CLF", None),
        ("10.5055", "DEM", None),
    ],
)
def test_an_amount_fits_the_minor_unit_of_its_currency(amount: str, currency: str, rule: str | None) -> None:
    assert misfit(Decimal(amount), currency) == rule


def test_currencies_have_the_minor_units_of_iso_4217() -> None:
    none = {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
    }
    assert {code for code, decimals in MINOR_UNITS.items() if decimals == 0} == none | {"XPF"}
    assert {code for code, decimals in MINOR_UNITS.items() if decimals == 3} == {
        "BHD",
        "IQD",
        "JOD",
        "KWD",
        "LYD",
        "OMR",
        "TND",
    }
    assert {code for code, decimals in MINOR_UNITS.items() if decimals == 4} == {"CLF", "UYW"}
    assert len(MINOR_UNITS) > 150
    assert "ZWG" in MINOR_UNITS
    assert "HRK" not in MINOR_UNITS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"a": [{"b": 1, "b": 1}]}',
        b"[" * 1000 + b"]" * 1000,
        b'{"a": 01}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": 1,}',
        b"{'a': 1}",
        b"\xff\xfe",
        b"1" * 5000,
    ],
)
def test_json_that_parsers_differ_about_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        json_of(body)
    assert refused.value.field == "body"
