"""After a restore: what a service published and no longer knows is withdrawn."""
