"""Shows stored objects as callers see them, with the fields they asked to expand."""

from typing import Any

from stripe_sandbox.api.registry import INCLUDES, PRESENTERS, Include
from stripe_sandbox.errors import InvalidParameter
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.sdk.optional_fields import included_on_request
from stripe_sandbox.sdk.response_shapes import resource
from stripe_sandbox.sdk.types import Expandable, ListOf, OneOf, PageOf, Record, Type
from stripe_sandbox.storage.store import Work

Tree = dict[str, "Tree"]

_MAX_DEPTH = 4


def present(work: Work, thing: Thing) -> Json:
    """A stored object as callers see it; nothing in it is shared with the store."""
    public: Json = _copy(thing)
    presenter = PRESENTERS.get(str(thing.get("object")))
    return presenter(work, public) if presenter and not thing.get("deleted") else public


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def respond(work: Work, kind: Type, result: Thing, expand: list[str]) -> Json:
    """A handler's result as the body of an answer.

    Args:
        work: The unit of work the result was made in.
        kind: What the SDK says the call returns.
        result: A stored object, or a list object that holds stored objects.
        expand: The request's `expand` parameter.

    Raises:
        InvalidParameter: A path of `expand` names nothing that can be expanded.
    """
    if result.get("object") in {"list", "search_result"}:
        body = {**result, "data": [present(work, thing) for thing in result["data"]]}
    else:
        body = present(work, result)
    if expand:
        _expand(work, kind, body, _tree(expand), "")
    return body


def _tree(paths: list[str]) -> Tree:
    tree: Tree = {}
    for path in paths:
        steps = path.split(".")
        if len([step for step in steps if step != "data"]) > _MAX_DEPTH:
            raise InvalidParameter(
                f"You cannot expand more than {_MAX_DEPTH} levels of a property: {path}",
                param="expand",
            )
        branch = tree
        for step in steps:
            branch = branch.setdefault(step, {})
    return tree


def _expand(work: Work, kind: Type, value: Any, tree: Tree, path: str) -> None:
    kind = _resource_of(kind, value)
    if isinstance(kind, PageOf):
        _expand_page(work, kind, value, tree, path)
    elif isinstance(kind, Record) and isinstance(value, dict) and not value.get("deleted"):
        for name, branch in tree.items():
            _expand_field(work, kind, value, name, branch, path=f"{path}{name}")


def _resource_of(kind: Type, value: Any) -> Type:
    """A union of resources is decided by the object that is there."""
    if isinstance(kind, Expandable):
        kind = kind.target
    if isinstance(kind, OneOf) and isinstance(value, dict) and "object" in value:
        return resource(value["object"])
    return kind


def _expand_page(work: Work, kind: PageOf, value: Json, tree: Tree, path: str) -> None:
    for name, branch in tree.items():
        if name != "data":
            raise _refusal(f"{path}{name}")
        for item in value["data"]:
            _expand(work, kind.item, item, branch, f"{path}data.")


def _expand_field(
    work: Work, kind: Record, value: Json, name: str, branch: Tree, *, path: str
) -> None:
    field = kind.fields.get(name)
    if field is None:
        raise _refusal(path)
    include = INCLUDES.get((kind.object_name or "", name))
    if include:
        _include(work, value, name, include)
    elif isinstance(field.type, Expandable):
        value[name] = _load(work, value.get(name))
    elif isinstance(field.type, ListOf) and not included_on_request(kind, name):
        _expand_list(work, field.type, value, name, branch, path=path)
        return
    elif not (branch or isinstance(field.type, PageOf) or included_on_request(kind, name)):
        raise _refusal(path)
    _expand(work, field.type, value.get(name), branch, f"{path}.")


def _include(work: Work, value: Json, name: str, include: Include) -> None:
    """Put in a field that is left out unless it is expanded, if there is anything to show."""
    found = include(work, value) if value.get(name) is None else None
    if found is not None:
        value[name] = found


def _expand_list(
    work: Work, kind: ListOf, value: Json, name: str, branch: Tree, *, path: str
) -> None:
    """A plain array: its ids become objects, and a longer path goes on inside each item."""
    if not branch and not isinstance(kind.item, Expandable):
        raise _refusal(path)
    if not value.get(name):
        return
    if isinstance(kind.item, Expandable):
        value[name] = [_load(work, item) for item in value[name]]
    for item in value[name]:
        _expand(work, kind.item, item, branch, f"{path}.")


def _load(work: Work, identifier: Any) -> Any:
    if not isinstance(identifier, str):
        return identifier
    found = work.find_any(identifier)
    return identifier if found is None else present(work, found)


def _refusal(path: str) -> InvalidParameter:
    return InvalidParameter(f"This property cannot be expanded ({path}).", param="expand")
