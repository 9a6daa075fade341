"""HTTP: what is read from a request, which room is asked, and how its answer is written."""
