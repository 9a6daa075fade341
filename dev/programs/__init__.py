"""Programs that we run but did not write: where each comes from, and how it is started."""
