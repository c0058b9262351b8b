"""Whose events analytics counts."""

SOURCES = ("contacts", "sales", "service-desk", "analytics")
"""Its own too: what it publishes of relationships, and how they stand, is history like all else."""
GROUP = "analytics"
"""The consumer group that folds them."""
