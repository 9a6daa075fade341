"""Products."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.catalogue import Product
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.resources import prices, searching
from stripe_sandbox.storage.kinds import PRICE, PRODUCT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_FIELDS = (
    "active",
    "description",
    "images",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "unit_label",
    "url",
)


@handles("products.create")
def create(call: Call) -> Thing:
    """A product, with its default price if one is described."""
    product = make(call.work, call.params)
    described = call.params.get("default_price_data")
    if described:
        price = prices.make(call.work, {**described, "product": product["id"]})
        product["default_price"] = price["id"]
    emit(call.work, "product.created", call.work.save(product))
    return product


def make(work: Work, params: Any) -> Product:
    """Store a product described by parameters."""
    identifier = params.get("id")
    values = {"active": True, "type": params.get("type", "service"), "updated": work.now()}
    values |= {"id": identifier} if identifier else {}
    values |= changes.given(params, *_FIELDS, "tax_code")
    return work.create(PRODUCT, values | {"metadata": changes.metadata({}, params)})


retrieves("products.retrieve", PRODUCT)


@handles("products.update")
def update(call: Call) -> Thing:
    """Change a product."""
    product = call.work.get(PRODUCT, call.id)
    if call.params.get("default_price"):
        price = call.work.referenced(PRICE, call.params["default_price"], param="default_price")
        if price["product"] != product["id"]:
            raise InvalidRequest(
                f"The price {price['id']} does not belong to this product.", param="default_price"
            )
    changes.apply(product, call.params, *_FIELDS, "default_price", "tax_code")
    product["updated"] = call.work.now()
    emit(call.work, "product.updated", call.work.save(product))
    return product


@handles("products.delete")
def delete(call: Call) -> Thing:
    """Delete a product that has no price."""
    product = call.work.get(PRODUCT, call.id)
    if call.work.all(PRICE, {"product": product["id"]}):
        raise InvalidRequest(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    emit(call.work, "product.deleted", product)
    return call.work.delete(product)


@handles("products.list")
def list_products(call: Call) -> Thing:
    """Products, newest first."""
    chosen = call.params.get("ids")
    if chosen:
        known = (call.work.find(PRODUCT, identifier) for identifier in chosen)
        found = [product for product in known if product]
        return {"object": "list", "data": found, "has_more": False, "url": call.path}
    where = {name: call.params.get(name) for name in ("active", "shippable", "url")}
    return page(call, PRODUCT, where)


@handles("products.search")
def search(call: Call) -> Thing:
    """Products by name, description, url, activity or metadata."""
    return searching.search(call, PRODUCT)
