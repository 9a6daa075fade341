"""The REST API of subscriptions: validates requests, calls the domain, serializes answers."""
