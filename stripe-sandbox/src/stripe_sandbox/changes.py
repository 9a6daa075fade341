"""Applies parameters to objects the way the API does everywhere."""

from collections.abc import Mapping
from typing import Any, cast

from stripe_sandbox.errors import NotCovered
from stripe_sandbox.objects.common import Json, Metadata, Thing
from stripe_sandbox.sdk.text_limits import check_metadata_size


def given(params: Mapping[str, Any], *names: str) -> Json:
    """Those of the named parameters that were sent; an empty string unsets, so it is None."""
    return {name: _unset(params[name]) for name in names if name in params}


def _unset(value: Any) -> Any:
    return None if value == "" else value


def apply(thing: Thing, params: Mapping[str, Any], *names: str) -> None:
    """Set the named fields of an object where they were sent, and its metadata."""
    fields = cast(Json, thing)
    fields.update(given(params, *names))
    fields["metadata"] = metadata(fields["metadata"], params)


def plain(value: Any) -> Any:
    """A copy of nested parameters that are stored as they are, to have their effect later."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def only(wanted: Json, *names: str, path: str) -> Json:
    """The nested parameters, none of which may be one that would be ignored.

    Raises:
        NotCovered: Something else was sent.
    """
    for name in wanted:
        if name not in names:
            raise NotCovered(f"the parameter `{path}[{name}]`", param=f"{path}[{name}]")
    return wanted


def metadata(old: Metadata | None, params: Mapping[str, Any]) -> Metadata:
    """Metadata after a request: sent keys are set, empty ones are removed.

    Source: https://docs.stripe.com/api/metadata
    """
    sent = params.get("metadata")
    if sent is None:
        return dict(old or {})
    if sent == "":
        return {}
    merged = {**(old or {}), **sent}
    kept = {name: value for name, value in merged.items() if value != ""}
    check_metadata_size(kept)
    return kept


def update(thing: Thing, values: Mapping[str, Any]) -> None:
    """Set fields whose names are only known at run time."""
    cast(Json, thing).update(values)
