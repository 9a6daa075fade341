"""One module per family of resources: which calls it answers, and how its objects are shown."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every room, so that it registers what it answers."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    import_module("stripe_sandbox.rules.renewals")
