"""The services whose events analytics counts."""

SOURCES = ("contacts", "sales", "service-desk", "analytics")
"""Includes analytics itself: the events that it publishes of relationships and their scores are history like any
other."""
GROUP = "analytics"
"""The consumer group that folds them."""
