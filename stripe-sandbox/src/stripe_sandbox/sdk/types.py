"""Turns the SDK's annotations into types that can be checked at run time."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import zip_longest

from stripe_sandbox.sdk import source
from stripe_sandbox.sdk.undeclared_fields import UNDECLARED


@dataclass(frozen=True)
class Scalar:
    """`str`, `int`, `bool`, `float`, `Decimal` or `Any`."""

    name: str


@dataclass(frozen=True)
class Choice:
    """One of the literal values the SDK names."""

    values: tuple[object, ...]


@dataclass(frozen=True)
class ListOf:
    """A JSON array."""

    item: "Type"


@dataclass(frozen=True)
class MapOf:
    """An object with free keys, such as metadata."""

    value: "Type"


@dataclass(frozen=True)
class PageOf:
    """A list object: `data`, `has_more`, `url`."""

    item: "Type"


@dataclass(frozen=True)
class Expandable:
    """An id that a caller may ask to see as the whole object."""

    target: "Type"


@dataclass(frozen=True)
class OneOf:
    """Any of several types."""

    options: tuple["Type", ...]


@dataclass(frozen=True)
class Field:
    """A named member of a record."""

    type: "Type"
    optional: bool
    prose: str = ""


class Record:
    """A class of the SDK with named fields, compiled when it is first looked at."""

    def __init__(self, module: str, path: tuple[str, ...]) -> None:
        self.module = module
        self.path = path

    @property
    def name(self) -> str:
        """Qualified name within its module, such as `Invoice.Parent`."""
        return ".".join(self.path)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The record's fields in the order the SDK lists them, then undeclared ones."""
        undeclared = UNDECLARED.get((self.module, self.name), {})
        extra = {name: Field(_undeclared(kind), optional=True) for name, kind in undeclared.items()}
        return {**dict(_fields(self.module, self.path)), **extra}

    @cached_property
    def object_name(self) -> str | None:
        """The value of `object` if this is an API resource, else None."""
        kind = self.fields.get("object")
        if kind and isinstance(kind.type, Choice):
            return str(kind.type.values[0])
        return None

    def __repr__(self) -> str:
        return f"Record({self.module}:{self.name})"


Type = Scalar | Choice | ListOf | MapOf | PageOf | Expandable | OneOf | Record

_SCALARS = {"str", "int", "bool", "float", "Decimal", "Any", "bytes"}
_OPTIONAL = {"Optional", "NotRequired"}


@cache
def record(module: str, *path: str) -> Record:
    """The record for a class of the SDK; the same object for the same class."""
    return Record(module, path)


@cache
def _class_node(module: str, path: tuple[str, ...]) -> ast.ClassDef:
    if len(path) == 1:
        return source.load(module).classes[path[0]]
    return _nested(module, path[:-1])[path[-1]]


@cache
def _nested(module: str, path: tuple[str, ...]) -> dict[str, ast.ClassDef]:
    body = _class_node(module, path).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def _fields(module: str, path: tuple[str, ...]) -> Iterator[tuple[str, Field]]:
    body = _class_node(module, path).body
    for node, following in zip_longest(body, body[1:]):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        annotation = _unquote(node.annotation)
        if _head(annotation) in {"ClassVar", "Type"}:
            continue
        optional = _head(annotation) in _OPTIONAL
        inner = annotation.slice if isinstance(annotation, ast.Subscript) else annotation
        yield (
            node.target.id,
            Field(
                _compile(inner if optional else annotation, module, path),
                optional,
                _prose(following),
            ),
        )


def _undeclared(kind: str) -> Type:
    module, _, name = kind.removeprefix("id:").rpartition(".")
    if not module:
        return Scalar(name)
    return Expandable(record(module, name)) if kind.startswith("id:") else record(module, name)


def _prose(node: ast.stmt | None) -> str:
    """The text below a field, which says what its type does not."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return ""


def _unquote(node: ast.expr) -> ast.expr:
    """Annotations may be strings, as the SDK writes for forward references."""
    while isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    return node


def _head(node: ast.expr) -> str:
    return ast.unparse(node.value) if isinstance(node, ast.Subscript) else ""


def _compile(node: ast.expr, module: str, path: tuple[str, ...]) -> Type:
    node = _unquote(node)
    if isinstance(node, ast.BinOp):
        return _union([node.left, node.right], module, path)
    if isinstance(node, ast.Name):
        return _named(node.id, module, path)
    if isinstance(node, ast.Subscript):
        return _GENERICS[_head(node)](node.slice, module, path)
    raise TypeError(f"unexpected annotation {ast.unparse(node)} in {module}")


def _named(name: str, module: str, path: tuple[str, ...]) -> Type:
    if name in _SCALARS:
        return Scalar(name)
    for depth in range(len(path), 0, -1):
        if name in _nested(module, path[:depth]):
            return record(module, *path[:depth], name)
    if name in source.load(module).classes:
        return record(module, name)
    origin, original = source.load(module).imports[name]
    return record(origin, original)


def _union(nodes: list[ast.expr], module: str, path: tuple[str, ...]) -> Type:
    options: list[Type] = []
    for node in nodes:
        compiled = _compile(node, module, path)
        options.extend(compiled.options if isinstance(compiled, OneOf) else [compiled])
    options = _closed(_merged(options))
    return options[0] if len(options) == 1 else OneOf(tuple(options))


def _merged(options: list[Type]) -> list[Type]:
    """A plain `Dict` beside the SDK's own mapping class says the same thing twice."""
    return list(dict.fromkeys(options))


def _closed(options: list[Type]) -> list[Type]:
    """Drop the `str` that only keeps an enum open for newer API versions.

    The API itself refuses a value that is not in the list, and this server
    must not answer one. `Literal['']|str` on the other hand is a real string.
    """
    named = [o for o in options if isinstance(o, Choice) and any(v != "" for v in o.values)]
    return [o for o in options if not (named and o == Scalar("str"))]


def _tuple(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def _dict(node: ast.expr, module: str, path: tuple[str, ...]) -> Type:
    return MapOf(_compile(_tuple(node)[-1], module, path))


_GENERICS: dict[str, Callable[[ast.expr, str, tuple[str, ...]], Type]] = {
    "Optional": lambda n, m, p: _compile(n, m, p),
    "Union": lambda n, m, p: _union(_tuple(n), m, p),
    "Literal": lambda n, m, p: Choice(tuple(ast.literal_eval(e) for e in _tuple(n))),  # noqa: ARG005 -- one signature for all generics
    "List": lambda n, m, p: ListOf(_compile(n, m, p)),
    "Dict": _dict,
    "UntypedStripeObject": _dict,
    "ListObject": lambda n, m, p: PageOf(_compile(n, m, p)),
    "SearchResultObject": lambda n, m, p: PageOf(_compile(n, m, p)),
    "ExpandableField": lambda n, m, p: Expandable(_compile(n, m, p)),
}
