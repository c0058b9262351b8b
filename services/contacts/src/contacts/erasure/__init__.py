"""Erasure: people are forgotten, and stay forgotten when a backup is restored."""
