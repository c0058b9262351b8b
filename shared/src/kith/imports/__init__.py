"""Imports: records of a noun, created and updated from a file, as a job (kith.jobs)."""
