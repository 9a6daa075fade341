"""Runs the background jobs, and holds the commands of operators."""
