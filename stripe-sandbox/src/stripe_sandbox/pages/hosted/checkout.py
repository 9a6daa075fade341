"""The checkout page: a card in, a paid session out."""

from starlette.responses import Response

from stripe_sandbox.pages.site import Visit


def show(visit: Visit) -> Response:
    raise NotImplementedError


def pay(visit: Visit) -> Response:
    raise NotImplementedError
