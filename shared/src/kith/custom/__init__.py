"""Fields that a tenant defines for its own records."""
