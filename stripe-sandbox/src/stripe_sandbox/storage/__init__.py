"""The SQLite store of all objects, their identifiers and what they can be found by."""
