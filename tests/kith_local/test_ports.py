import pytest

from kith_local.errors import LocalError
from kith_local.ports import ports_of


def test_the_ports_a_newcomer_finds() -> None:
    ports = ports_of({})
    assert {name: ports[name].number for name in ("gateway", "contacts", "sales", "service_desk", "analytics")} == {
        "gateway": 8000,
        "contacts": 8001,
        "sales": 8002,
        "service_desk": 8003,
        "analytics": 8004,
    }
    assert ports["issuer"].number == 8005


def test_one_variable_moves_all_and_another_moves_one() -> None:
    ports = ports_of({"KITH_PORT_BASE": "18000", "KITH_PORT_SALES": "9999"})
    assert (ports["gateway"].number, ports["sales"].number, ports["metrics_sales_worker"].number) == (
        18000,
        9999,
        18104,
    )


def test_no_two_parts_share_a_port() -> None:
    numbers = [port.number for port in ports_of({}).values()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80.5"])
def test_what_is_no_port_is_refused_by_the_variables_name(text: str) -> None:
    with pytest.raises(LocalError, match="KITH_PORT_SALES"):
        ports_of({"KITH_PORT_SALES": text})
