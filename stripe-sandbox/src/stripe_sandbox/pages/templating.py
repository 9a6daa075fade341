"""Renders the templates; everything they show is escaped."""

from functools import cache
from typing import TYPE_CHECKING, Any

from stripe_sandbox.pages import show
from stripe_sandbox.sdk.source import api_version

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> str:
    """A template as HTML."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> "Environment":
    # Its import takes a good part of the start; most sandboxes never show a page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("stripe_sandbox.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "badge": show.badge,
        "breakable": show.breakable,
        "card": show.card_of,
        "day": show.day,
        "json_of": show.json_of,
        "linked": show.linked,
        "moment": show.moment,
        "price": show.price_of,
        "when": show.when,
    }
    environment.globals |= {"api_version": api_version(), "money": show.money}
    return environment
