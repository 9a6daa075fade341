"""Side-by-side benchmarks of both services against the packages a team would use instead."""
