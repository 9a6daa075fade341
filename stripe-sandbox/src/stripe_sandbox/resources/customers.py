"""Customers and their balances."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import list_object, page
from stripe_sandbox.api.registry import Call, handles, includes
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest, NotCovered, ResourceMissing
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.resources import searching
from stripe_sandbox.resources import tax_ids as tax_ids_of
from stripe_sandbox.rules import customer_balance, payment_methods, subscriptions, taxes
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    CUSTOMER_BALANCE_TRANSACTION,
    PAYMENT_METHOD,
    SUBSCRIPTION,
    TAX_ID,
    TEST_CLOCK,
)
from stripe_sandbox.storage.store import NOTHING, Except, Work
from stripe_sandbox.webhooks.events import emit

_FIELDS = (
    "address",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)


@handles("customers.create")
def create(call: Call) -> Thing:
    """Create a customer, and attach the payment method that the request names."""
    work, params = call.work, call.params
    customer = make(work, params)
    if params.get("balance"):
        _initial_balance(work, customer, params["balance"])
    for index, tax_id in enumerate(params.get("tax_id_data") or []):
        path = f"tax_id_data[{index}][value]"
        tax_ids_of.make(work, customer, tax_id["type"], tax_id["value"], param=path)
    _locate(customer, params)
    if params.get("source"):
        payment_methods.from_source(work, params["source"], customer)
    _attach_and_default(work, customer, params)
    emit(work, "customer.created", work.save(customer))
    return customer


def make(work: Work, params: Any) -> Customer:
    """Store a customer described by parameters; nothing is attached yet."""
    clock = params.get("test_clock")
    if clock:
        work.referenced(TEST_CLOCK, clock, param="test_clock")
    return work.create(
        CUSTOMER,
        {
            "balance": 0,
            "created": work.now(clock),
            "delinquent": False,
            "invoice_prefix": work.ids.text(8).upper(),
            "invoice_settings": {},
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "tax_exempt": "none",
            "test_clock": clock,
            **changes.given(params, *_FIELDS),
            "metadata": changes.metadata({}, params),
        },
    )


def _locate(customer: Customer, params: Any) -> None:
    """Refuse an address that automatic tax could not use, if the request wants to know now."""
    wanted = params.get("tax") or {}
    if wanted.get("ip_address"):
        raise NotCovered("locations by IP address", param="tax[ip_address]")
    if wanted.get("validate_location") == "immediately":
        taxes.require_location(customer)


def _initial_balance(work: Work, customer: Customer, amount: int) -> None:
    customer_balance.change(work, customer, amount, "initial", currency="usd")


def _attach_and_default(work: Work, customer: Customer, params: Any) -> None:
    named = params.get("payment_method")
    settings = dict(params.get("invoice_settings") or {})
    if named:
        method = payment_methods.resolve(work, named, param="payment_method")
        payment_methods.attach(work, method, customer)
        if settings.get("default_payment_method") == named:
            settings["default_payment_method"] = method["id"]
    _apply_settings(work, customer, settings)


def _apply_settings(work: Work, customer: Customer, settings: Json) -> None:
    default = settings.get("default_payment_method")
    if default:
        path = "invoice_settings[default_payment_method]"
        payment_methods.owned(work, default, customer, param=path)
    names = ("custom_fields", "default_payment_method", "footer", "rendering_options")
    changes.update(customer["invoice_settings"], changes.given(settings, *names))


@handles("customers.retrieve")
def retrieve(call: Call) -> Thing:
    """One customer; a deleted one is marked as `deleted`."""
    found = call.work.find_any(call.id)
    if found and found["object"] == CUSTOMER.name:
        return found
    return call.work.get(CUSTOMER, call.id)


@handles("customers.update")
def update(call: Call) -> Thing:
    """Change a customer."""
    work, params = call.work, call.params
    customer = work.get(CUSTOMER, call.id)
    changes.apply(customer, params, *_FIELDS)
    if "balance" in params:
        difference = params["balance"] - (customer["balance"] or 0)
        currency = customer["currency"] or "usd"
        if difference:
            customer_balance.change(work, customer, difference, "adjustment", currency=currency)
    if params.get("source"):
        payment_methods.from_source(work, params["source"], customer)
    _apply_settings(work, customer, params.get("invoice_settings") or {})
    _locate(customer, params)
    emit(work, "customer.updated", work.save(customer))
    return customer


@handles("customers.delete")
def delete(call: Call) -> Thing:
    """Delete a customer; its subscriptions are canceled at once."""
    work = call.work
    customer = work.get(CUSTOMER, call.id)
    for subscription in work.all(SUBSCRIPTION, {"customer": customer["id"]}):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.end(work, subscription, reason="cancellation_requested")
    for method in work.all(PAYMENT_METHOD, {"customer": customer["id"]}):
        payment_methods.detach(work, method)
    emit(work, "customer.deleted", customer)
    return work.delete(customer)


@handles("customers.delete_discount")
def delete_discount(call: Call) -> Thing:
    """Take the customer's own discount off; in this API version no customer can get one.

    Raises:
        ResourceMissing: Always; discounts are on subscriptions, items and invoices.
    """
    call.work.get(CUSTOMER, call.id)
    raise ResourceMissing("discount", call.id, param="id")


@handles("customers.list")
def list_customers(call: Call) -> Thing:
    """Customers, newest first; those on a test clock only when it is named."""
    email, clock = call.params.get("email"), call.params.get("test_clock", NOTHING)
    return page(call, CUSTOMER, {"email": email, "test_clock": clock})


@handles("customers.search")
def search(call: Call) -> Thing:
    """Customers by email, name, phone or metadata."""
    return searching.search(call, CUSTOMER)


@includes("customer", "subscriptions")
def subscriptions_of(work: Work, customer: Customer) -> Json:
    """The customer's subscriptions that have not ended."""
    every = work.newest(SUBSCRIPTION, {"customer": customer["id"], "status": Except("canceled")})
    found, url = every[:10], f"/v1/customers/{customer['id']}/subscriptions"
    shown = [present(work, one) for one in found]
    return list_object(shown, url=url, more=len(every) > len(found), total=len(every))


@includes("customer", "tax_ids")
def tax_ids(work: Work, customer: Customer) -> Json:
    """The customer's tax ids, newest first."""
    every = work.newest(TAX_ID, {"customer": customer["id"]})
    shown = [present(work, one) for one in every[:10]]
    return list_object(shown, url=f"/v1/customers/{customer['id']}/tax_ids", total=len(every))


@includes("customer", "tax")
def tax(work: Work, customer: Json) -> Json:
    """Where automatic tax finds the customer to be: nowhere, without an address."""
    location = taxes.location_of(work.get(CUSTOMER, customer["id"]))
    return {
        "automatic_tax": "supported" if location else "unrecognized_location",
        "ip_address": None,
        "location": location._asdict() if location else None,
        "provider": "stripe",
    }


@includes("customer", "invoice_credit_balance")
def invoice_credit_balance(_work: Work, customer: Customer) -> Json:
    """The customer's credit for invoices, by currency."""
    balance, currency = customer["balance"], customer["currency"]
    return {currency: -balance} if balance and balance < 0 and currency else {}


@includes("customer", "cash_balance")
def cash_balance(_work: Work, customer: Customer) -> Json:
    """The customer's cash balance, which is always empty."""
    return response_shapes.new(
        "cash_balance",
        {
            "customer": customer["id"],
            "livemode": customer["livemode"],
            "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
        },
    )


@handles("customers.balance_transactions.create")
def adjust_balance(call: Call) -> Thing:
    """Credit or debit a customer's balance by hand."""
    customer = call.work.get(CUSTOMER, call.id)
    currency = call.params["currency"].lower()
    if customer["currency"] not in {None, currency}:
        raise InvalidRequest(
            f"The customer's currency is {customer['currency']}.", param="currency"
        )
    written = customer_balance.change(
        call.work,
        customer,
        call.params["amount"],
        "adjustment",
        currency=currency,
        **changes.given(call.params, "description"),
    )
    written["metadata"] = changes.metadata({}, call.params)
    emit(call.work, "customer.updated", call.work.save(customer))
    return call.work.save(written)


@handles("customers.balance_transactions.list")
def list_balance(call: Call) -> Thing:
    """What moved a customer's balance, newest first."""
    customer = call.work.get(CUSTOMER, call.id)
    where = {"customer": customer["id"], "invoice": call.params.get("invoice")}
    return page(call, CUSTOMER_BALANCE_TRANSACTION, where)


@handles("customers.balance_transactions.retrieve")
def retrieve_balance(call: Call) -> Thing:
    """One movement of a customer's balance."""
    return call.work.get(CUSTOMER_BALANCE_TRANSACTION, call.ids[1])
