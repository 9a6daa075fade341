"""Pages for people: what Stripe hosts, and a look into the sandbox."""

from starlette.routing import Route

from stripe_sandbox.pages import authenticate
from stripe_sandbox.store import Store


def routes(store: Store) -> list[Route]:
    """Every page the sandbox serves."""
    return authenticate.routes(store)
