"""Tax rates, and the tax ids of customers."""

from typing import TypedDict

from stripe_sandbox.objects.common import Json, Metadata


class TaxRate(TypedDict):
    id: str
    object: str
    active: bool
    country: str | None
    created: int
    description: str | None
    display_name: str
    effective_percentage: float | None
    flat_amount: Json | None
    inclusive: bool
    jurisdiction: str | None
    jurisdiction_level: str | None
    livemode: bool
    metadata: Metadata | None
    percentage: float
    rate_type: str | None
    state: str | None
    tax_type: str | None


class TaxId(TypedDict):
    id: str
    object: str
    country: str | None
    created: int
    customer: str
    livemode: bool
    owner: Json | None
    type: str
    value: str
    verification: Json | None
