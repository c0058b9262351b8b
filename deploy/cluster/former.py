"""The chart as it was in the release before, with the values files of then: what an upgrade begins with.

A checkout has no history to take it from, so it is kept, packaged by helm: `make freeze-chart`, for each release.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from deploy.checks.chart import CHART, HELM, OUTSIDE

FOLDER = Path(__file__).parent / "former"
_CHECKS = "checks"
"""Where in the package the values files are that checks have besides those of the chart."""


class Former(NamedTuple):
    chart: Path
    outside: Path
    values: Path


def packaged() -> Path:
    (package,) = FOLDER.glob("*.tgz")
    return package


def former(name: str, folder: Path) -> Former | None:
    """Unpacks it into the folder, with the values file of that name; None if there was none then."""
    with tarfile.open(packaged()) as package:
        if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on
            package.extraction_filter = tarfile.data_filter
        package.extractall(folder)  # noqa: S202 - it is our own
    chart = folder / "kith"
    for place in (_CHECKS, "values"):
        if (values := chart / place / f"{name}.yaml").is_file():
            return Former(chart, chart / _CHECKS / OUTSIDE.name, values)
    return None


def freeze() -> Path:
    """Packages the chart of today in place of the one that is kept. Returns the package."""
    with tempfile.TemporaryDirectory(prefix="kith-chart-") as folder:
        chart = Path(folder) / "kith"
        shutil.copytree(CHART, chart)
        shutil.copytree(OUTSIDE.parent, chart / _CHECKS)
        for each in FOLDER.glob("*.tgz"):
            each.unlink()
        subprocess.run([HELM, "package", chart, "--destination", FOLDER], check=True, stdout=subprocess.DEVNULL)
    return packaged()


if __name__ == "__main__":
    print(freeze())  # noqa: T201 - a program of the command line
