"""Which alerts a test provokes the cause of."""

import re

from kith_local.layout import ROOT
from kith_local.observability.rule_files import alerts

PROVOKED_IN = ("tests/reliability/alerts", "tests/federation")
BY_EXAMPLE_ALONE = {"KithGatewayFaults"}
"""Its causes are faults that nothing from outside brings about."""


def test_every_alert_but_these_has_fired_for_its_cause() -> None:
    sources = [path.read_text() for folder in PROVOKED_IN for path in (ROOT / folder).glob("test_*.py")]
    provoked = {
        name
        for text in sources
        for call in re.findall(r"\.fires\(([^)]*)", text)
        for name in re.findall(r"Kith\w+", call)
    }
    assert {each.name for each in alerts()} - provoked == BY_EXAMPLE_ALONE
