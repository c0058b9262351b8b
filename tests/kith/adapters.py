"""The two bus adapters, as tests that run against both see them."""

from typing import NamedTuple

from kith.bus import open_bus
from kith.bus.port import Bus

SESSION = 2.0
"""Seconds of silence after which a member is taken for dead: short, for the tests' sake."""


class Adapter(NamedTuple):
    name: str
    url: str

    def bus(self) -> Bus:
        if self.name == "kafka":
            return open_bus(self.url, None, session=SESSION)
        return open_bus(None, self.url, session=SESSION)
