"""The whole way, from the command line to the summary, in front of a fake house."""

from collections.abc import Callable, Coroutine
from pathlib import Path

import httpx
import pytest
from tests.kith_local.replay.house import House

from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.replay.cli import main
from kith_local.replay.session import Request, service_urls
from kith_local.state import PartState, State, StateFile

GOOD = "536365,12/1/2010 8:26,17850,United Kingdom,40,3.91"
HEADER = "InvoiceNo,InvoiceDate,CustomerID,Country,Quantity,UnitPrice"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "online_retail_invoices.csv").write_text(f"{HEADER}\n{GOOD}\n1,[never],17850,UK,1,1")
    return tmp_path


@pytest.fixture(autouse=True)
def _in_front_of(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=httpx.MockTransport(house)))
    monkeypatch.setenv("KITH_TOKEN", "token")
    monkeypatch.setenv("KITH_HOME", str(tmp_path / ".kith"))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """All that was printed, with single blanks."""

    def read() -> str:
        out, err = capsys.readouterr()
        return " ".join((out + err).split())

    return read


def test_the_summary_tells_what_became_of_every_row(data: Path, said: Callable[[], str]) -> None:
    assert main(["--data", str(data), "--set", "retail"]) == 0
    words = said()
    assert "retail replayed as tenant retail" in words
    assert "Rows read: 2 of online_retail_invoices.csv; not mapped: 1" in words
    assert "all 2 2 0 0 2" in words
    assert "1 InvoiceDate: is no time like %m/%d/%Y %H:%M online_retail_invoices.csv, line 3" in words
    assert "InvoiceDate is '[never]'" in words
    assert "1 An invoice (its number does not start with C) is an order" in words
    assert "Events published 2, folded 2." in words


def test_running_it_twice_changes_nothing(data: Path, house: House, said: Callable[[], str]) -> None:
    main(["--data", str(data), "--set", "retail"])
    ledger = house.events
    assert main(["--data", str(data), "--set", "retail"]) == 0
    assert "all 2 0 2 0 0" in said()
    assert house.events == ledger


def test_a_missing_column_is_reported_before_anything_is_sent(
    data: Path, house: House, said: Callable[[], str]
) -> None:
    (data / "online_retail_invoices.csv").write_text(HEADER.replace(",Quantity", ""))
    assert main(["--data", str(data), "--set", "retail"]) == 1
    assert "online_retail_invoices.csv has no column Quantity." in said()
    assert not house.requests


def test_another_file_of_the_same_columns_may_replace_it(data: Path, house: House) -> None:
    other = data / "mine.csv"
    other.write_text(f"{HEADER}\n9,12/1/2010 8:26,1,UK,1,1")
    assert main(["--data", str(data), "--set", "retail", "--file", f"online_retail_invoices.csv={other}"]) == 0
    assert [row["external_id"] for row in house.sent_to("orders")] == ["9"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "", "--set", ""], "SET=: there is no such set. Choose one of: retail, b2b, desk, bank, saas, all."),
        (["--data", "", "--set", "retail"], "Say where the files are: make replay DATA=../shared/data SET=retail"),
        (["--data", "nowhere", "--set", "desk"], "There is no file nowhere/servicenow_incident_log.csv."),
        (["--data", "x", "--set", "desk", "--file", "y=z"], "--file y=z: say NAME=PATH, with a name of: servicenow_"),
        (["--data", "x", "--set", "all", "--tenant", "acme"], "Each set is a company of its own"),
    ],
)
def test_what_cannot_be_done_is_reported(
    arguments: list[str], words: str, house: House, said: Callable[[], str]
) -> None:
    assert main(arguments) == 1
    assert words in said()
    assert not house.requests


def test_what_does_not_answer_is_reported(
    data: Path, house: House, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.failures = [lambda: httpx.Response(401, text="no")]
    assert main(["--data", str(data), "--set", "retail"]) == 1
    assert "GET http://127.0.0.1:8004/v1/ledger was refused: 401 no" in said()


def test_it_can_be_stopped(data: Path, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(running: Coroutine[None, None, None]) -> None:
        running.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("asyncio.run", stop)
    assert main(["--data", str(data), "--set", "retail"]) == 1
    assert "Stopped. What was sent stays; the same again sends the rest." in said()


def test_all_is_every_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KITH_TOKEN")
    assert [each.name for each in Request.of("all", None, "", []).sets] == ["retail", "b2b", "desk", "bank", "saas"]
    with pytest.raises(LocalError):
        Request.of("most", None, "", [])


def test_services_are_found_where_start_put_them_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    layout = Layout(home=tmp_path, bus="embedded")
    assert service_urls(layout, {})["service-desk"] == "http://127.0.0.1:8003"
    part = PartState("service-desk-api", url="http://127.0.0.1:9003/docs")
    StateFile(layout.run).write(State("embedded", parts=[part]))
    assert service_urls(layout, {})["service-desk"] == "http://127.0.0.1:9003"
    assert service_urls(layout, {"KITH_PORT_SERVICE_DESK": "7003"})["service-desk"] == "http://127.0.0.1:7003"
    assert service_urls(layout, {"KITH_PORT_BASE": "18000"})["service-desk"] == "http://127.0.0.1:18003"
