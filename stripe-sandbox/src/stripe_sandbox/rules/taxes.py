"""Taxes of invoices: rates that a caller names, and automatic tax by the customer's address.

The account counts as registered for tax everywhere in `tax_table`.
Source: https://docs.stripe.com/tax/customer-locations, https://docs.stripe.com/tax/zero-tax.
"""

from decimal import Decimal
from typing import Any, NamedTuple

from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice, InvoiceLine
from stripe_sandbox.objects.taxes import TaxRate
from stripe_sandbox.rules import tax_table
from stripe_sandbox.rules.discounts import rounded
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    INVOICE_ITEM,
    PRICE,
    SUBSCRIPTION,
    TAX_ID,
    TAX_RATE,
)
from stripe_sandbox.storage.store import Work

# Prices that do not say whether tax is in them: it is not in these currencies.
_EXCLUSIVE = {"usd", "cad"}
_BY_POSTAL_CODE = {"US", "CA"}


class Location(NamedTuple):
    """Where a customer is for tax purposes."""

    country: str
    state: str | None
    source: str


def chosen(work: Work, identifiers: Any, *, param: str) -> list[str]:
    """The ids of tax rates that a request names.

    Raises:
        InvalidRequest: One of them does not exist or is archived.
    """
    for index, identifier in enumerate(identifiers or []):
        path = f"{param}[{index}]"
        rate = work.referenced(TAX_RATE, identifier, param=path)
        if not rate["active"]:
            raise InvalidRequest(f"The tax rate {identifier} is inactive.", param=path)
    return list(identifiers or [])


def location_of(customer: Customer) -> Location | None:
    """Where a customer is: by the shipping address, else by the billing address.

    Returns:
        None where that is not known closely enough: taxes of the United States and Canada
        depend on the postal code.
    """
    shipping = (customer["shipping"] or {}).get("address") or {}
    billing = customer["address"] or {}
    for address, source in ((shipping, "shipping_destination"), (billing, "billing_address")):
        if not any(address.values()):
            continue
        country = (address.get("country") or "").upper()
        if country not in _BY_POSTAL_CODE:
            return Location(country, address.get("state"), source) if len(country) == 2 else None
        state = tax_table.state_of(country, address.get("postal_code") or "")
        return Location(country, state, source) if state else None
    return None


def require_location(customer: Customer) -> None:
    """Refuse automatic tax for a customer whose location is not known.

    Raises:
        InvalidRequest: `customer_tax_location_invalid`.
    """
    if location_of(customer) is None:
        raise InvalidRequest(
            "The customer's location isn't recognized. Set a valid customer address in order to "
            "automatically calculate tax.",
            code="customer_tax_location_invalid",
        )


def ids_of(work: Work, customer: Customer) -> list[Json]:
    """The customer's tax ids as invoices and Checkout show them."""
    found = work.all(TAX_ID, {"customer": customer["id"]})
    return [{"type": one["type"], "value": one["value"]} for one in found]


def automatic(*, enabled: bool) -> Json:
    """The `automatic_tax` of a subscription, and the beginning of that of an invoice."""
    return {"enabled": True, "liability": {"type": "self"}} if enabled else {"enabled": False}


def wanted(params: Any) -> bool:
    """Whether a request asks for automatic tax.

    Raises:
        NotCovered: Another account is to be liable.
    """
    asked = params.get("automatic_tax") or {}
    if (asked.get("liability") or {}).get("type", "self") != "self":
        path = "automatic_tax[liability]"
        raise NotCovered("taxes for which another account is liable", param=path)
    return bool(asked.get("enabled", False))


def apply(work: Work, invoice: Invoice) -> None:
    """Put taxes on an invoice's lines, after discounts, and add them up."""
    customer, location = work.find(CUSTOMER, invoice["customer"]), None
    if invoice["automatic_tax"]["enabled"] and customer:
        location = location_of(customer)
        status = "complete" if location else "requires_location_inputs"
        invoice["automatic_tax"] |= {"provider": "stripe", "status": status}
    totals: dict[tuple[str, str, str], Json] = {}
    for line in invoice["lines"]["data"]:
        named = _named(work, line) or invoice["default_tax_rates"]
        line["taxes"] = []
        if named:
            rates = [work.get(TAX_RATE, identifier) for identifier in named]
            line["taxes"] = _taxes(line, rates, "not_available")
        elif location and customer:
            line["taxes"] = _automatic(work, line, customer, location)
        for tax in line["taxes"]:
            key = (
                tax["tax_rate_details"]["tax_rate"],
                tax["tax_behavior"],
                tax["taxability_reason"],
            )
            if key not in totals:
                totals[key] = {**tax, "amount": 0, "taxable_amount": 0}
            totals[key]["amount"] += tax["amount"]
            totals[key]["taxable_amount"] += tax["taxable_amount"]
    invoice["total_taxes"] = list(totals.values())


def _named(work: Work, line: InvoiceLine) -> list[str]:
    """The tax rates of the subscription item or invoice item that a line bills."""
    subscribed = line["parent"].get("subscription_item_details") or {}
    if subscribed.get("invoice_item"):
        billed = work.find(INVOICE_ITEM, subscribed["invoice_item"])
        return billed["tax_rates"] if billed else []
    if subscribed.get("subscription_item"):
        where = {"items.data.id": subscribed["subscription_item"]}
        for subscription in work.newest(SUBSCRIPTION, where, limit=1):
            for item in subscription["items"]["data"]:
                if item["id"] == subscribed["subscription_item"]:
                    return item["tax_rates"]
    details = line["parent"].get("invoice_item_details") or {}
    pending = work.find(INVOICE_ITEM, details.get("invoice_item"))
    return pending["tax_rates"] if pending else []


def sum_of(taxes: list[Json], behavior: str | None = None) -> int:
    """What taxes come to, or those that are `inclusive` or `exclusive`."""
    return sum(tax["amount"] for tax in taxes if behavior in {None, tax["tax_behavior"]})


def _automatic(work: Work, line: InvoiceLine, customer: Customer, location: Location) -> list[Json]:
    tax = tax_table.tax_in(location.country, location.state)
    if tax is None:
        return []
    details = (line["pricing"] or {}).get("price_details") or {}
    price = work.find(PRICE, details.get("price"))
    behavior = price["tax_behavior"] if price else None
    if behavior in {None, "unspecified"}:
        behavior = "exclusive" if line["currency"] in _EXCLUSIVE else "inclusive"
    rate = _rate(work, tax, inclusive=behavior == "inclusive")
    reason = _reason(work, customer, location, tax)
    taxes = _taxes(line, [rate], reason)
    if reason != "standard_rated":
        for one in taxes:
            one |= {"amount": 0, "taxable_amount": 0}
    return taxes


def _reason(work: Work, customer: Customer, location: Location, tax: tax_table.Tax) -> str:
    """Why a tax is what it is; all but `standard_rated` make it nothing."""
    if customer["tax_exempt"] == "exempt":
        return "customer_exempt"
    business = location.country in tax_table.EUROPEAN_UNION and any(
        tax_id["type"] == "eu_vat" for tax_id in work.all(TAX_ID, {"customer": customer["id"]})
    )
    if customer["tax_exempt"] == "reverse" or business:
        return "reverse_charge"
    return "standard_rated" if tax.percentage else "not_subject_to_tax"


def _rate(work: Work, tax: tax_table.Tax, *, inclusive: bool) -> TaxRate:
    """The tax rate object of a place, made when it is first needed."""
    level = "state" if tax.state else "country"
    where = {"jurisdiction_level": level, "country": tax.country, "inclusive": inclusive}
    for known in work.all(TAX_RATE, where):
        if (known["state"], known["percentage"]) == (tax.state, tax.percentage):
            return known
    return new_rate(
        work,
        {
            "active": False,
            "country": tax.country,
            "display_name": tax.display_name,
            "inclusive": inclusive,
            "jurisdiction": tax.state or tax.country,
            "jurisdiction_level": level,
            "percentage": tax.percentage,
            "state": tax.state,
            "tax_type": tax.tax_type,
        },
    )


def new_rate(work: Work, values: Json) -> TaxRate:
    """Store a tax rate."""
    percentage = float(values["percentage"])
    rate: Json = {"effective_percentage": None, "metadata": {}, "rate_type": "percentage"}
    return work.create(TAX_RATE, {**rate, **values, "percentage": percentage})


def _taxes(line: InvoiceLine, rates: list[TaxRate], reason: str) -> list[Json]:
    """Each rate's tax on what a line costs after discounts."""
    net = Decimal(line["amount"] - sum(one["amount"] for one in line["discount_amounts"]))
    within = sum((_percent(rate) for rate in rates if rate["inclusive"]), Decimal(0))
    base = net * 100 / (100 + within)
    return [
        {
            "amount": rounded(base * _percent(rate) / 100),
            "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
            "tax_rate_details": {"tax_rate": rate["id"]},
            "taxability_reason": reason,
            "taxable_amount": rounded(base),
            "type": "tax_rate_details",
        }
        for rate in rates
    ]


def _percent(rate: TaxRate) -> Decimal:
    return Decimal(str(rate["percentage"]))
