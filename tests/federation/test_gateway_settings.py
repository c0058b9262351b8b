"""The gateway's settings are read from one list, and all that is wrong is reported at once."""

import json
import subprocess

import pytest

from kith_local.layout import GATEWAY
from kith_local.node import node


def evaluated(script: str) -> str:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", script], cwd=GATEWAY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def subgraphs(**environment: str) -> dict[str, str]:
    found = json.loads(
        evaluated(
            "import { settingsOf } from './settings.mjs'; import { subgraphsIn } from './subgraphs.mjs';"
            f"console.log(JSON.stringify(subgraphsIn(settingsOf({json.dumps(environment)}))))"
        )
    )
    return {each["name"]: each["url"] for each in found}


def test_a_service_is_on_this_machine_unless_its_url_is_set() -> None:
    found = subgraphs(KITH_URL_SALES="https://sales.example/base/", KITH_PORT_CONTACTS="9001")
    assert found["sales"] == "https://sales.example/base/graphql"
    assert found["contacts"] == "http://127.0.0.1:9001/graphql"
    assert found["service-desk"] == "http://127.0.0.1:8003/graphql"


def test_all_that_is_wrong_is_reported_at_once() -> None:
    wrong = {"KITH_URL_SALES": "sales.example", "KITH_GRAPHQL_COST": "1e3", "KITH_LOG_LEVEL": "LOUD"}
    with pytest.raises(AssertionError) as refused:
        subgraphs(**wrong)
    for name, value in wrong.items():
        assert f"{name}={value}: that is no " in str(refused.value)
