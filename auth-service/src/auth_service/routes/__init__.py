"""HTTP: reads requests, calls the packages below, and writes responses."""
