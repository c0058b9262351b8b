"""The other services, as any client reaches them: over their APIs, with a token for one tenant."""
