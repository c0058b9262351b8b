"""The recorded data that figures are checked against. It lies beside the checkout and is not part of it."""

import os
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"

needs_recorded_data = pytest.mark.skipif(
    # With a checkout alone all else can be run. CI has the data: without them these tests fail there, and should.
    not DATA.is_dir() and os.environ.get("CI", "").lower() != "true",
    reason="there is no ../shared/data beside this checkout",
)
