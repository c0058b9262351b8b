"""Tenants as a whole: what a service holds of one, in every table that has rows of tenants."""
