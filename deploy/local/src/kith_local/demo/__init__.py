"""The demo tenant: a coffee roastery's year, sent through the public API."""
