"""The examples of the alerts can fail; that they do not, `make check-rules` shows. The queries of dashboards can be
parsed."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMTOOL = ROOT / ".kith" / "tools" / "bin" / "promtool"
FOLDER = ROOT / "deploy" / "prometheus"
STALLED = "max by (service) (kith_outbox_oldest_unpublished_seconds) > 60"


@pytest.mark.parametrize(("part", "wrong"), [("> 60", "> 6000"), ("> 60", "> -1"), (" by (service)", "")])
def test_a_rule_that_is_wrong_is_found(part: str, wrong: str, tmp_path: Path) -> None:
    rules = (FOLDER / "kith.rules.yml").read_text()
    assert STALLED in rules
    (tmp_path / "kith.rules.yml").write_text(rules.replace(STALLED, STALLED.replace(part, wrong)))
    (tmp_path / "kith.test.yml").write_text((FOLDER / "kith.test.yml").read_text())
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "kith.test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "FAILED" in done.stderr
    assert set(re.findall(r'alertname=."(\w+)', done.stderr)) == {"KithOutboxStalled"}


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "grafana").glob("*.json")), ids=lambda path: path.stem)
def test_the_queries_of_a_dashboard_can_be_parsed(path: Path, tmp_path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    queries = [
        target["expr"].replace("$__rate_interval", "5m") for each in panels for target in each.get("targets", ())
    ]
    assert queries
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [PROMTOOL, "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
