"""Users, their mirror and their admin."""
