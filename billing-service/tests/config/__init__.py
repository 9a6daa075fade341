"""Settings, errors and operations."""
