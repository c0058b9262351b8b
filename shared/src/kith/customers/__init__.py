"""The customers of a tenant as the services know them that do not keep them."""
