"""Jobs: what takes longer than a request may, requested by one and done in the background."""
