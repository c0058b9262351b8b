"""Writes what a Cargo.lock names, as CycloneDX: `python -m deploy.tools.crates LOCK`.

It names more than is in the program: crates for other platforms, and those that only build or test it."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any


def inventory_of(lock: Path) -> dict[str, Any]:
    crates = tomllib.loads(lock.read_text())["package"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        # What comes from no index is the program itself.
        "components": [_component(each) for each in crates if "checksum" in each],
    }


def _component(crate: dict[str, str]) -> dict[str, Any]:
    purl = f"pkg:cargo/{crate['name']}@{crate['version']}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": crate["name"],
        "version": crate["version"],
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": crate["checksum"]}],
    }


if __name__ == "__main__":
    json.dump(inventory_of(Path(sys.argv[1])), sys.stdout, indent=2)
