"""The mirror of auth-service's users, the feed that keeps it current, and the log-in of staff."""
