"""Duplicates: two records that may be one. They are found when records are created or changed, and listed in pairs."""
