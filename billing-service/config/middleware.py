"""What happens around every request, REST view or not."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from errors import BillingError, to_response
from identity.request_id import HEADER, begin_request

GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Gives every request an id that its log lines and its answer carry."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer under the gateway's id."""
        request_id = begin_request(request.headers.get(HEADER))
        response = self._get_response(request)
        response[HEADER] = request_id
        return response


class BillingErrorMiddleware:
    """Turns a refusal that a plain Django view raised into its JSON answer."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for the family; leave bugs to become a logged 500."""
        return to_response(error) if isinstance(error, BillingError) else None
