"""Which port is whose, and who sits on it if it is not free."""

import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from kith_local.errors import LocalError

BASE = 8000
OFFSETS = {
    "gateway": 0,
    "contacts": 1,
    "sales": 2,
    "service_desk": 3,
    "analytics": 4,
    "issuer": 5,
    "kafka": 92,
    "kafka_controller": 93,
    "metrics_gateway": 100,
    "metrics_contacts_api": 101,
    "metrics_contacts_worker": 102,
    "metrics_sales_api": 103,
    "metrics_sales_worker": 104,
    "metrics_service_desk_api": 105,
    "metrics_service_desk_worker": 106,
    "metrics_analytics_api": 107,
    "metrics_analytics_worker": 108,
}


@dataclass(frozen=True, slots=True)
class Port:
    number: int
    variable: str
    """The setting that moves it."""


def ports_of(environment: Mapping[str, str] = os.environ) -> dict[str, Port]:
    """By name. KITH_PORT_BASE moves all of them, KITH_PORT_<NAME> one. Raises LocalError if a number is none."""
    base = _number("KITH_PORT_BASE", environment.get("KITH_PORT_BASE") or str(BASE))
    ports = {}
    for name, offset in OFFSETS.items():
        variable = f"KITH_PORT_{name.upper()}"
        ports[name] = Port(_number(variable, environment.get(variable) or str(base + offset)), variable)
    return ports


def _number(variable: str, text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,4}", text) or int(text) >= 2**16:
        raise LocalError(f"{variable}={text}: that is no port number.")
    return int(text)


def require_free(ports: Iterable[Port]) -> None:
    """Raises LocalError naming every port that is taken, by whom if that can be known, and what to change."""
    taken = [
        f"Port {port.number} is taken{_by_whom(port.number)}. Stop that, or choose another port: {port.variable}=..."
        for port in ports
        if not _is_free(port.number)
    ]
    if taken:
        raise LocalError("\n".join([*taken, "KITH_PORT_BASE=18000 (say) moves all ports at once."]))


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        # As the servers do it: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
        return True


def _by_whom(number: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (number,)
            if listens and connection.pid is not None:
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f" by process {connection.pid} ({command[:100]})"
    except psutil.Error:
        pass  # another user's process: the port is still taken
    return ""
