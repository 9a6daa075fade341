"""Lists every endpoint of the API as the SDK's service classes call it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from stripe_sandbox.sdk import source
from stripe_sandbox.sdk.types import OneOf, PageOf, Record, Scalar, Type, record


@dataclass(frozen=True)
class Endpoint:
    """One call of the API: `customers.create` is POST /v1/customers."""

    name: str
    verb: str
    path: str
    params: Record | None
    result: Type

    @property
    def path_names(self) -> tuple[str, ...]:
        """The placeholders of the path, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


_ROOT = ("stripe._v1_services", "V1Services")


@cache
def endpoints() -> dict[str, Endpoint]:
    """Every endpoint of API v1 by its name in `StripeClient.v1`."""
    return {endpoint.name: endpoint for endpoint in _walk(*_ROOT, "")}


def endpoint(name: str) -> Endpoint:
    """One endpoint by name, reading only the service classes on the way to it.

    Raises:
        LookupError: The pinned SDK has no such call.
    """
    module, class_name = _ROOT
    *services, method = name.split(".")
    for service in services:
        module, class_name = _children(source.load(module))[service]
    for node in source.load(module).classes[class_name].body:
        if isinstance(node, ast.FunctionDef) and node.name == method:
            found = _endpoint(source.load(module), node, name.removesuffix(method))
            if found:
                return found
    raise LookupError(f"the pinned SDK has no call {name}")


def _walk(module: str, class_name: str, prefix: str) -> Iterator[Endpoint]:
    loaded = source.load(module)
    for node in loaded.classes[class_name].body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found = _endpoint(loaded, node, prefix)
            if found:
                yield found
    for name, (child, child_class) in _children(loaded).items():
        yield from _walk(child, child_class, f"{prefix}{name}.")


def _children(module: source.Module) -> dict[str, tuple[str, str]]:
    listed = module.assignments.get("_subservices")
    return {} if listed is None else dict(ast.literal_eval(listed))


def _endpoint(module: source.Module, method: ast.FunctionDef, prefix: str) -> Endpoint | None:
    call = next(
        (n for n in ast.walk(method) if isinstance(n, ast.Call) and _is_request(n.func)), None
    )
    if call is None:
        return None
    return Endpoint(
        name=prefix + method.name,
        verb=str(ast.literal_eval(call.args[0])).upper(),
        path=_path(call.args[1]),
        params=_params(module, method),
        result=_result(module, method),
    )


def _is_request(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in {"_request", "_request_stream"}


def _path(node: ast.expr) -> str:
    """The template of a path, whether or not `.format()` fills it in."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return str(ast.literal_eval(node))


def _params(module: source.Module, method: ast.FunctionDef) -> Record | None:
    for argument in method.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            name = _innermost_name(argument.annotation)
            origin, original = module.imports[name]
            return record(origin, original)
    return None


def _result(module: source.Module, method: ast.FunctionDef) -> Type:
    if method.returns is None:
        raise TypeError(f"{module.name}.{method.name} does not say what it returns")
    text = str(ast.literal_eval(method.returns))
    names = text.replace('"', "").rsplit("[", 1)[-1].rstrip("]").split(",")
    records = [record(*module.imports[n.strip()]) for n in names if n.strip() in module.imports]
    if not records:
        return Scalar("Any")
    item = records[0] if len(records) == 1 else OneOf(tuple(records))
    return PageOf(item) if text.startswith(("ListObject", "SearchResultObject")) else item


def _innermost_name(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript):
        node = node.slice
    return str(ast.literal_eval(node)) if isinstance(node, ast.Constant) else ast.unparse(node)
