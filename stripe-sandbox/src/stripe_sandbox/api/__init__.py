"""The HTTP API: routing, idempotency keys, lists, expansion, and the registry of handlers."""
