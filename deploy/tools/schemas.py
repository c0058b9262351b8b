"""Collects the JSON Schemas by which kubeconform checks all objects of the chart, and the CustomResourceDefinitions.

Those of Kubernetes come from a wheel, those of operators from the CustomResourceDefinitions in their own Go modules, so
that nothing is needed but the package indexes.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from deploy.tools.strimzi import generate

KUBERNETES = "v1.36.0-local-strict"
"""The folder of the wheel: of the minor version whose control plane is in go.mod. Strict: unknown fields are errors."""

DEFINITIONS = {
    "github.com/argoproj/argo-cd/v3@v3.1.8": ("manifests/crds/application-crd.yaml",),
    "github.com/cloudnative-pg/cloudnative-pg@v1.28.1": (
        "config/crd/bases/postgresql.cnpg.io_clusters.yaml",
        "config/crd/bases/postgresql.cnpg.io_scheduledbackups.yaml",
    ),
    "github.com/external-secrets/external-secrets@v1.3.2": (
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
    "github.com/kedacore/keda/v2@v2.21.0": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "sigs.k8s.io/gateway-api@v1.7.0": ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",),
}
"""By Go module, whose content the client checks against the public log of checksums. Strimzi's are in strimzi.py."""


def collect(tools: Path) -> None:
    schemas, definitions = tools / "schemas", tools / "definitions"
    for folder in (schemas, definitions):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    [wheel] = tools.glob(f"python/lib/*/site-packages/kubernetes_validate/kubernetes-json-schema/{KUBERNETES}")
    (schemas / "kubernetes").mkdir()
    for source in wheel.glob("*.json"):
        # The wheel's own program resolves references by addresses, which are not looked up here.
        schema = json.loads(source.read_text().replace('"/api/', '"'))
        schema.pop("$id", None)
        (schemas / "kubernetes" / source.name).write_text(json.dumps(schema))
    for module, paths in DEFINITIONS.items():
        folder = _folder_of(module, tools)
        for path in paths:
            shutil.copyfile(folder / path, definitions / Path(path).name)
    generate(definitions, tools / "maven")
    for source in sorted(definitions.glob("*.yaml")):
        for definition in yaml.safe_load_all(source.read_text()):
            _write_schemas(definition, schemas)


def _folder_of(module: str, tools: Path) -> Path:
    answer = subprocess.run(
        [tools / "python/bin/go", "mod", "download", "-json", module], check=True, capture_output=True, cwd=tools
    )
    return Path(json.loads(answer.stdout)["Dir"])


def _write_schemas(definition: dict[str, Any], schemas: Path) -> None:
    spec = definition["spec"]
    folder = schemas / spec["group"]
    folder.mkdir(exist_ok=True)
    for version in spec["versions"]:
        schema = _strict(version["schema"]["openAPIV3Schema"])
        name = f"{spec['names']['kind'].lower()}_{version['name']}.json"
        (folder / name).write_text(json.dumps(schema))


def _strict(schema: Any, *, top: bool = True) -> Any:
    """As JSON Schema, in which a field that is not known is an error, as it is to `kubectl apply`."""
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes")}
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("anyOf", None)
        made["type"] = ["integer", "string"]
    if properties := schema.get("properties"):
        made["properties"] = {name: _strict(each, top=False) for name, each in properties.items()}
        if top:
            made["properties"]["metadata"] = {"type": "object"}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if isinstance(others := schema.get("additionalProperties"), dict):
        made["additionalProperties"] = _strict(others, top=False)
    if items := schema.get("items"):
        made["items"] = _strict(items, top=False)
    # Patterns of Go's own dialect, and of the validation's own language, stay with the API server.
    if "pattern" in made and re.search(r"\(\?[^:]|\\[pzAx]", made["pattern"]):
        del made["pattern"]
    return made


if __name__ == "__main__":
    collect(Path(sys.argv[1]).resolve())
