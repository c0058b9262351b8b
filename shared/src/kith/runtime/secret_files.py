"""Secrets are in files, which others may replace while we run: read one when it is needed, and keep none."""

from pathlib import Path


def secret_in(file: Path) -> str:
    """Returns the secret in a file, without the line break that editors end it with. Raises OSError."""
    return file.read_text(encoding="utf-8").rstrip("\r\n")
