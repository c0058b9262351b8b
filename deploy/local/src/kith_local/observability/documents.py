"""The committed files about metrics that are made from the code."""

from collections.abc import Mapping
from pathlib import Path

from kith_local.observability.exposed import exposed
from kith_local.observability.reference import page
from kith_local.observability.scraping import configuration


def documents() -> Mapping[Path, str]:
    """Returns their texts by their paths below the checkout."""
    return {
        Path("docs/prometheus.md"): page(exposed()),
        Path("deploy/prometheus/prometheus.yml"): configuration(),
    }
