"""Sources: the cards of old clients, which are payment methods with another face."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import list_object, slice_page
from stripe_sandbox.api.registry import Call, handles, includes
from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.payments import PaymentMethod
from stripe_sandbox.rules import payment_methods
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import CUSTOMER, PAYMENT_METHOD
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "mastercard": "MasterCard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}


def _shown(method: PaymentMethod) -> Json:
    """The card behind a payment method, as sources show it."""
    card, details = method["card"], method["billing_details"]
    kept = ("country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return response_shapes.new(
        "card",
        {
            "id": method["id"],
            "brand": _BRANDS[card["brand"]],
            "customer": method["customer"],
            "cvc_check": card["checks"]["cvc_check"],
            "metadata": method["metadata"],
            "name": details["name"],
            **{name: card[name] for name in kept},
        },
    )


def _sources(work: Work, customer: str) -> list[Json]:
    found = work.newest(PAYMENT_METHOD, {"customer": customer})
    return [_shown(method) for method in found if method["id"].startswith("card_")]


def _found(call: Call) -> tuple[Customer, PaymentMethod]:
    customer = call.work.get(CUSTOMER, call.id)
    method = call.work.find(PAYMENT_METHOD, call.ids[1])
    if method is None or method["customer"] != customer["id"] or method["type"] != "card":
        raise ResourceMissing("source", call.ids[1], param="id")
    return customer, method


@handles("customers.payment_sources.create")
def create(call: Call) -> Thing:
    """Save the card of a test token; the first one is the default."""
    work, customer = call.work, call.work.get(CUSTOMER, call.id)
    default = customer["default_source"]
    method = payment_methods.from_source(work, call.params["source"], customer)
    method["metadata"] = changes.metadata({}, call.params)
    customer["default_source"] = default or method["id"]
    work.save(method)
    emit(work, "customer.source.created", _shown(method))
    emit(work, "customer.updated", work.save(customer))
    return _shown(method)


@handles("customers.payment_sources.retrieve")
def retrieve(call: Call) -> Thing:
    """One source."""
    return _shown(_found(call)[1])


@handles("customers.payment_sources.update")
def update(call: Call) -> Thing:
    """Change a card's expiry, the name of its owner, or its metadata."""
    work, (_, method) = call.work, _found(call)
    work.announce(_shown(method))
    for name in ("exp_month", "exp_year"):
        if name in call.params:
            method["card"][name] = _number(call.params[name], name)
    changes.update(method["billing_details"], changes.given(call.params, "name"))
    method["metadata"] = changes.metadata(method["metadata"], call.params)
    work.save(method)
    emit(work, "customer.source.updated", _shown(method))
    return _shown(method)


def _number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise InvalidRequest(
            f"Invalid integer: {text}", code="parameter_invalid_integer", param=name
        )
    return int(text)


@handles("customers.payment_sources.delete")
def delete(call: Call) -> Thing:
    """Take a card off its customer for good."""
    work, (customer, method) = call.work, _found(call)
    emit(work, "customer.source.deleted", _shown(method))
    payment_methods.detach(work, method)
    if customer["default_source"] == method["id"]:
        customer["default_source"] = None
        emit(work, "customer.updated", work.save(customer))
    return {"id": method["id"], "object": "card", "deleted": True}


@handles("customers.payment_sources.list")
def list_sources(call: Call) -> Thing:
    """A customer's sources, newest first; the sandbox has cards alone."""
    found: list[Any] = _sources(call.work, call.work.get(CUSTOMER, call.id)["id"])
    if call.params.get("object", "card") != "card":
        found = []
    return slice_page(call, found, "source")


@includes("customer", "sources")
def of_customer(work: Work, customer: Json) -> Json:
    """A customer's sources, shown when a caller expands them."""
    found, url = _sources(work, customer["id"]), f"/v1/customers/{customer['id']}/sources"
    return list_object(found[:10], url=url, more=len(found) > 10, total=len(found))
