"""Applies parameters to objects the way the API does everywhere."""

from typing import Any

from stripe_sandbox.errors import NotCovered
from stripe_sandbox.sdk.request_contract import Params
from stripe_sandbox.sdk.text_limits import check_metadata_size

Json = dict[str, Any]


def given(params: Params | Json, *names: str) -> Json:
    """Those of the named parameters that were sent; an empty string unsets, so it is None."""
    return {name: _unset(params[name]) for name in names if name in params}


def _unset(value: Any) -> Any:
    return None if value == "" else value


def only(wanted: Json, *names: str, path: str) -> Json:
    """The nested parameters, none of which may be one that would be ignored.

    Raises:
        NotCovered: Something else was sent.
    """
    for name in wanted:
        if name not in names:
            raise NotCovered(f"the parameter `{path}[{name}]`", param=f"{path}[{name}]")
    return wanted


def metadata(old: Json | None, params: Params | Json) -> Json:
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
