"""What a service does because of an event, of its own or of another service: by the same rules as on request."""
