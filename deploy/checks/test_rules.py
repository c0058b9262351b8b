"""The examples of the alerts can fail. That they do not: `make check-rules`."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
STALLED = "max by (service) (kith_outbox_oldest_unpublished_seconds) > 60"


@pytest.mark.parametrize(("part", "wrong"), [("> 60", "> 6000"), ("> 60", "> -1"), (" by (service)", "")])
def test_a_rule_that_is_wrong_is_found(part: str, wrong: str, tmp_path: Path) -> None:
    rules = (FOLDER / "kith.rules.yml").read_text()
    assert STALLED in rules
    (tmp_path / "kith.rules.yml").write_text(rules.replace(STALLED, STALLED.replace(part, wrong)))
    (tmp_path / "kith.test.yml").write_text((FOLDER / "kith.test.yml").read_text())
    promtool = ROOT / ".kith" / "tools" / "bin" / "promtool"
    done = subprocess.run(
        [promtool, "test", "rules", "kith.test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "FAILED" in done.stderr
    assert set(re.findall(r'alertname=."(\w+)', done.stderr)) == {"KithOutboxStalled"}
