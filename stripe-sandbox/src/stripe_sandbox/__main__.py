"""Lets `python -m stripe_sandbox` stand in for the command."""

import sys

from stripe_sandbox.cli import main

sys.exit(main())
