"""Starts, finds and stops the processes of a system, by pid and across runs of the launcher."""
