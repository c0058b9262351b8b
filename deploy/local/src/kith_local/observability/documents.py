"""The committed files about metrics that are made from the code."""

from collections.abc import Mapping
from pathlib import Path

from kith_local.observability.business_dashboard import BUSINESS
from kith_local.observability.exposed import exposed
from kith_local.observability.platform_dashboard import PLATFORM
from kith_local.observability.reference import page
from kith_local.observability.rule_files import rule_file, test_file
from kith_local.observability.scraping import configuration

CHART_FILES = Path("deploy/helm/kith/files")
"""A chart takes no files that lie outside."""


def documents() -> Mapping[Path, str]:
    """Returns their texts by their paths below the checkout."""
    in_chart = {CHART_FILES / path.name: text for path, text in _operated().items()}
    return {
        Path("docs/prometheus.md"): page(exposed()),
        **_operated(),
        **in_chart,
        Path("deploy/prometheus/prometheus.yml"): configuration(),
        Path("deploy/prometheus/kith.test.yml"): test_file(of_objectives=False),
        Path("deploy/prometheus/kith-slo.test.yml"): test_file(of_objectives=True),
    }


def _operated() -> Mapping[Path, str]:
    """What Prometheus and Grafana read."""
    return {
        Path("deploy/grafana/kith-platform.json"): PLATFORM.text(),
        Path("deploy/grafana/kith-business.json"): BUSINESS.text(),
        Path("deploy/prometheus/kith.rules.yml"): rule_file(),
    }
