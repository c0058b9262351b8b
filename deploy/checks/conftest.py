import pytest
from deploy.checks.chart import OUTSIDE, Manifest, render, values_files


@pytest.fixture(scope="session", params=values_files(), ids=lambda path: path.stem)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """Of each values file."""
    return render(OUTSIDE, request.param)
