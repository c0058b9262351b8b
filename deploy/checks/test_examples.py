"""The examples, and what the README says to write, are rendered as they stand."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.checks.chart import CHART, HELM, ROOT, TOOLS, Manifest, conforms, of_kind, render

EXAMPLES = ROOT / "deploy/examples"


def test_the_values_of_the_readme_install_each_size(tmp_path: Path) -> None:
    text = (ROOT / "deploy/README.md").read_text()
    [written] = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "KITH_ISSUER_URL" in block]
    values = tmp_path / "kith.yaml"
    values.write_text(written)
    sizes = sorted((CHART / "values").glob("*.yaml"))
    conforms([each for size in sizes for each in render(size, values)])


def test_the_application_of_argo_cd_names_what_is_there(tmp_path: Path) -> None:
    application: Manifest = yaml.safe_load((EXAMPLES / "argocd.yaml").read_text())
    source = application["spec"]["source"]
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(source["helm"]["valuesObject"]))
    rendered = render(*(ROOT / source["path"] / each for each in source["helm"]["valueFiles"]), values)
    conforms([application, *rendered])


@pytest.fixture(scope="module")
def kustomized() -> list[Manifest]:
    command = [str(TOOLS / "bin/kustomize"), "build", "--enable-helm", "--helm-command", str(HELM)]
    folder = str(EXAMPLES / "kustomize")
    done = subprocess.run([*command, folder], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if each]


def test_the_overlay_of_kustomize_renders_the_chart_and_what_is_added(kustomized: list[Manifest]) -> None:
    conforms(kustomized)
    deployments: dict[str, Any] = {each["metadata"]["name"]: each for each in of_kind(kustomized, "Deployment")}
    assert len(deployments) == 9
    assert deployments["kith-gateway"]["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "edge"}
    assert {each["metadata"]["labels"]["team"] for each in kustomized} == {"crm"}
    assert not of_kind(kustomized, "Pod"), "no test pods"
