"""Errors sorted by what to do about them."""

from enum import Enum

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from kith.bus.port import BusError


class Fault(Enum):
    OUTAGE = "something we need is away: wait for it, however long"
    CONTENTION = "others were in the way: try again, but not for ever"
    POISON = "the same again would fail the same way"


_CONTENTION = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
    "57014",  # query_canceled: a statement timeout
    "25P03",  # idle_in_transaction_session_timeout
}
_OUTAGE_CLASSES = {
    "08",  # connection exception
    "53",  # insufficient resources: disk, memory, connections
    "57",  # operator intervention: shutdown, crash recovery
    "58",  # system error: I/O
}


def fault_of(error: BaseException) -> Fault:
    if isinstance(error, BusError | ConnectionError | TimeoutError | PoolTimeout):
        return Fault.OUTAGE
    if not isinstance(error, DBAPIError):
        return Fault.POISON
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in _CONTENTION:
        return Fault.CONTENTION
    if error.connection_invalidated or state[:2] in _OUTAGE_CLASSES:
        return Fault.OUTAGE
    return Fault.POISON
