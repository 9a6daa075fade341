"""Programs of others that we run: where each comes from and how it is started."""
