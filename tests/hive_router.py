"""The Hive Router as `make hive-router` builds it, run with the configuration that is in its image."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kith_local.layout import GATEWAY, ROOT

VERSION = re.search(r"^ARG HIVE_ROUTER=(.+)$", (ROOT / "deploy/docker/router.Dockerfile").read_text(), re.MULTILINE)[1]  # type: ignore[index]
ROUTER = ROOT / f".kith/tools/hive-router-{VERSION}/bin/hive_router"


@contextmanager
def running_router(folder: Path, port: int, metrics: int, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """It has these settings, and its log is router.log in the folder. The port of its metrics is no setting."""
    configuration = folder / "router.yaml"
    configuration.write_text((GATEWAY / "router.yaml").read_text().replace("port: 9090", f"port: {metrics}"))
    variables = {
        "ROUTER_CONFIG_FILE_PATH": configuration,
        "KITH_SUPERGRAPH": GATEWAY / "supergraph.graphql",
        "KITH_PORT_GATEWAY": port,
        "ROUTER_DOCUMENTS": GATEWAY / "documents.json",
        **settings,
    }
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    with (
        (folder / "router.log").open("wb") as log,
        subprocess.Popen([ROUTER], env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(45)
