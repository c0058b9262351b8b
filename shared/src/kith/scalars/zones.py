"""Time zones: the names of the IANA database, links such as US/Eastern among them, as the package tzdata lists them.

Names and rules both come from that package, so that they are the same on every machine. What a machine has beside them
(`localtime`, `posixrules`) says something else on each, and `Factory` says nothing: these are no zones.
"""

import zoneinfo
from importlib import resources

zoneinfo.reset_tzpath(())
"""Else what the machine has would go before the package."""

ZONES = frozenset((resources.files("tzdata") / "zones").read_text(encoding="ascii").split()) - {"Factory"}
