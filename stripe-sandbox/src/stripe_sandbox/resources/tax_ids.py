"""Tax ids of customers.

Source: https://docs.stripe.com/billing/customer/tax-ids.
"""

import re

from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.taxes import TaxId
from stripe_sandbox.storage.kinds import CUSTOMER, TAX_ID
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_MOST = 5
# What values of the commonest types look like; others are taken as they are.
_FORMATS = {
    "au_abn": r"\d{11}",
    "br_cnpj": r"\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}",
    "ca_bn": r"\d{9}",
    "ch_vat": r"CHE-?\d{3}\.?\d{3}\.?\d{3} ?(MWST|TVA|IVA)",
    "eu_vat": r"[A-Z]{2}[0-9A-Z+*]{2,13}",
    "gb_vat": r"(GB)?\d{9}(\d{3})?",
    "in_gst": r"\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]",
    "nz_gst": r"\d{8,9}",
    "us_ein": r"\d{2}-?\d{7}",
}
# Stripe's published values for tests, and what becomes of them.
_OUTCOMES = {"000000000": "verified", "111111111": "unverified", "222222222": "pending"}


@handles("customers.tax_ids.create")
def create(call: Call) -> Thing:
    """Give a customer a tax id."""
    customer = call.work.get(CUSTOMER, call.id)
    return make(call.work, customer, call.params["type"], call.params["value"], param="value")


def make(work: Work, customer: Customer, kind: str, value: str, *, param: str) -> TaxId:
    """Store a tax id of a customer.

    Raises:
        InvalidRequest: The value is none of its type, or the customer has five.
    """
    pattern = _FORMATS.get(kind)
    if pattern and not re.fullmatch(pattern, value.strip(), re.IGNORECASE):
        raise InvalidRequest(f"Invalid value for {kind}.", code="tax_id_invalid", param=param)
    known = work.all(TAX_ID, {"customer": customer["id"]})
    if len(known) >= _MOST:
        raise InvalidRequest(f"A customer can have at most {_MOST} tax IDs.")
    country = value[:2].upper() if kind == "eu_vat" else kind[:2].upper()
    outcome = next((o for digits, o in _OUTCOMES.items() if value.endswith(digits)), None)
    verified = outcome == "verified"
    tax_id = work.create(
        TAX_ID,
        {
            "country": {"EL": "GR", "EU": None}.get(country, country),
            "created": work.now(customer["test_clock"]),
            "customer": customer["id"],
            "owner": {"type": "customer", "customer": customer["id"]},
            "type": kind,
            "value": value,
            "verification": {
                "status": outcome or "unavailable",
                "verified_address": "123 TEST STREET" if verified else None,
                "verified_name": "TEST" if verified else None,
            },
        },
    )
    emit(work, "customer.tax_id.created", tax_id)
    return tax_id


@handles("customers.tax_ids.retrieve")
def retrieve(call: Call) -> Thing:
    """One tax id of a customer."""
    return _of_customer(call)


@handles("customers.tax_ids.list")
def list_ids(call: Call) -> Thing:
    """The tax ids of a customer, newest first."""
    customer = call.work.get(CUSTOMER, call.id)
    return page(call, TAX_ID, {"customer": customer["id"]})


@handles("customers.tax_ids.delete")
def delete(call: Call) -> Thing:
    """Take a tax id away."""
    tax_id = _of_customer(call)
    emit(call.work, "customer.tax_id.deleted", tax_id)
    return call.work.delete(tax_id)


def _of_customer(call: Call) -> TaxId:
    customer, identifier = call.ids
    call.work.get(CUSTOMER, customer)
    tax_id = call.work.get(TAX_ID, identifier)
    if tax_id["customer"] != customer:
        raise ResourceMissing(TAX_ID.noun, identifier, param="id")
    return tax_id
