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
def running_router(
    folder: Path, port: int, metrics: int, more: str = "", **settings: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """It has these settings (KITH_…), and `more` at the end of its router.yaml; its log is router.log in that folder.
    The port of its metrics is no setting."""
    configuration = folder / "router.yaml"
    image_s = (GATEWAY / "router.yaml").read_text().replace("port: 9090", f"port: {metrics}")
    configuration.write_text(image_s + more)
    variables = {
        "ROUTER_CONFIG_FILE_PATH": configuration,
        "KITH_SUPERGRAPH": GATEWAY / "supergraph.graphql",
        "KITH_PORT_GATEWAY": port,
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
