"""The inbox and its worker."""
