"""Processes: what takes several services, step by step, and is undone where it cannot be brought to its end."""
