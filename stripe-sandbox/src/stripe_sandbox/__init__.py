"""An offline, stateful Stripe whose contract is read from the pinned SDK."""
