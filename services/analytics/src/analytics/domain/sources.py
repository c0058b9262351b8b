"""Whose events analytics counts."""

SOURCES = ("contacts", "sales", "service-desk")
GROUP = "analytics"
"""The consumer group that folds them."""
