"""Payment methods, created from Stripe's test ids; card numbers are refused."""

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest, NotCovered, RawCardRefused
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.rules import payment_methods
from stripe_sandbox.storage.kinds import CUSTOMER, PAYMENT_METHOD
from stripe_sandbox.webhooks.events import emit

_RAW = (
    "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you "
    "use test tokens that map to the test card you are using, see "
    "https://docs.stripe.com/testing."
)


@handles("payment_methods.create")
def create(call: Call) -> Thing:
    """A payment method from a test token; a card number is refused as by most accounts."""
    params = call.params
    if params.get("type") != "card":
        raise NotCovered("payment methods other than cards", param="type")
    details = params.get("card") or {}
    if "number" in details:
        raise RawCardRefused(_RAW)
    if "token" not in details:
        raise InvalidRequest(
            "Missing required param: card[token].", code="parameter_missing", param="card[token]"
        )
    token = details["token"]
    card = payment_methods.test_card(call.work, token, prefix="tok_", param="card[token]")
    if card is None:
        raise InvalidRequest(
            f"No such token: '{token}'", code="resource_missing", param="card[token]"
        )
    values = changes.given(params, "billing_details", "allow_redisplay")
    values["metadata"] = changes.metadata({}, params)
    return payment_methods.from_test_card(call.work, card, values)


@handles("payment_methods.retrieve")
def retrieve(call: Call) -> Thing:
    """One payment method; a test id shows what it stands for."""
    return payment_methods.resolve(call.work, call.id, param="payment_method", status=404)


@handles("payment_methods.update")
def update(call: Call) -> Thing:
    """Change billing details, expiry or metadata."""
    method = call.work.get(PAYMENT_METHOD, call.id)
    for name, value in (call.params.get("billing_details") or {}).items():
        method["billing_details"][name] = None if value == "" else value
    method["card"] |= changes.given(call.params.get("card") or {}, "exp_month", "exp_year")
    changes.apply(method, call.params, "allow_redisplay")
    emit(call.work, "payment_method.updated", call.work.save(method))
    return method


@handles("payment_methods.attach")
def attach(call: Call) -> Thing:
    """Attach to a customer; a declining test card is declined here."""
    if not call.params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = call.work.referenced(CUSTOMER, call.params["customer"], param="customer")
    method = payment_methods.resolve(call.work, call.id, param="payment_method", status=404)
    return payment_methods.attach(call.work, method, customer)


@handles("payment_methods.detach")
def detach(call: Call) -> Thing:
    """Detach a payment method from its customer, for good."""
    return payment_methods.detach(call.work, call.work.get(PAYMENT_METHOD, call.id))


@handles("payment_methods.list")
def list_methods(call: Call) -> Thing:
    """Payment methods of a customer."""
    return _of(call, call.params.get("customer"))


@handles("customers.payment_methods.list")
def list_of_customer(call: Call) -> Thing:
    """Payment methods of the customer in the path."""
    return _of(call, call.work.get(CUSTOMER, call.id)["id"])


@handles("customers.payment_methods.retrieve")
def retrieve_of_customer(call: Call) -> Thing:
    """One payment method of the customer in the path."""
    customer = call.work.get(CUSTOMER, call.id)
    return payment_methods.owned(call.work, call.ids[1], customer, param="payment_method")


def _of(call: Call, customer: str | None) -> Json:
    if customer:
        call.work.referenced(CUSTOMER, customer, param="customer")
    return page(call, PAYMENT_METHOD, {"customer": customer, "type": call.params.get("type")})
