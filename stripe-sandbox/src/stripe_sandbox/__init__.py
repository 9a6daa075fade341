"""An offline, stateful Stripe whose contract is read from the pinned SDK."""

from importlib.metadata import version

__version__ = version("stripe-sandbox")
