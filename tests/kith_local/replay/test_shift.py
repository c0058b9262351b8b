"""A set moved in time: as a whole, never beyond now, and the same when it is sent again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.kith_local.replay.house import House

from kith_local.errors import LocalError
from kith_local.replay.cli import main
from kith_local.replay.shift import end_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = """InvoiceNo,InvoiceDate,CustomerID,Country,Quantity,UnitPrice
2,12/9/2011 12:50,17850,United Kingdom,1,1
1,12/1/2010 08:26,17850,United Kingdom,40,3.91
"""


@pytest.fixture(autouse=True)
def _in_front_of(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=httpx.MockTransport(house)))
    monkeypatch.setenv("KITH_TOKEN", "token")
    monkeypatch.setenv("KITH_HOME", str(tmp_path / ".kith"))


@pytest.fixture
def replayed(tmp_path: Path) -> Callable[[str], int]:
    (tmp_path / "online_retail_invoices.csv").write_text(ROWS)
    return lambda end: main(["--data", str(tmp_path), "--set", "retail", "--end", end])


def test_all_of_it_moves_by_the_same_and_the_last_happens_at_the_end(
    replayed: Callable[[str], int], house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed("2026-03-01T13:00:00+01:00") == 0
    times = {row["external_id"]: datetime.fromisoformat(row["occurred_at"]) for row in house.sent_to("orders")}
    assert times == {"2": NOON, "1": NOON - timedelta(days=373, hours=4, minutes=24)}
    (customer,) = house.sent_to("customers")
    assert datetime.fromisoformat(customer["occurred_at"]) == times["1"]
    said = " ".join(capsys.readouterr().out.split())
    assert "Times moved by 5195 days, 23:10:00: the last event is of END=2026-03-01T12:00:00+00:00" in said


def test_the_same_end_again_changes_nothing(replayed: Callable[[str], int], house: House) -> None:
    replayed("2026-03-01T12:00:00Z")
    counted = house.events
    assert replayed("2026-03-01T13:00:00+01:00") == 0
    assert house.events == counted == 3


def test_now_is_one_instant_for_all_of_it(replayed: Callable[[str], int], house: House) -> None:
    before = datetime.now(UTC)
    assert replayed("now") == 0
    last = max(datetime.fromisoformat(row["occurred_at"]) for _, row in house.rows)
    assert before <= last <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "say an instant with its zone"),
        ("2026-03-01", "say an instant with its zone"),
        ("2026-03-01T12:00:00", "say an instant with its zone"),
        ("20260301T12Z", "say an instant with its zone"),
        ("0001-01-01T00:00:00Z", "say an instant with its zone"),
        ("2026-03-01T12:00:01Z", "is yet to come"),
    ],
)
def test_an_end_that_cannot_be_is_refused(text: str, words: str) -> None:
    with pytest.raises(LocalError, match=words):
        end_of(text, NOON)
