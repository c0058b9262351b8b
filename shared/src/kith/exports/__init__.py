"""Exports as jobs: a file of a noun's records, made in the background piece by piece, and fetched when it is done."""
