"""Runs the command as `python -m stripe_sandbox`."""

from stripe_sandbox.cli import main

main(prog_name="stripe-sandbox")
