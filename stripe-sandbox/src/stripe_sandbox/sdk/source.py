"""Finds and parses the modules of the installed `stripe` package."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Module:
    """One parsed module: its classes, and where its other names come from."""

    name: str
    classes: dict[str, ast.ClassDef]
    imports: dict[str, tuple[str, str]]
    assignments: dict[str, ast.expr]


@cache
def package_directory() -> Path:
    """The folder of the installed SDK, located without importing it."""
    spec = find_spec("stripe")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the pinned stripe package is not installed")
    return Path(spec.submodule_search_locations[0])


@cache
def load(name: str) -> Module:
    """Parse a module of the SDK.

    Args:
        name: Dotted name such as `stripe.params._customer_create_params`.
    """
    path = package_directory().joinpath(*name.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return Module(
        name=name,
        classes={node.name: node for node in tree.body if isinstance(node, ast.ClassDef)},
        imports=dict(_imports(tree.body)),
        assignments=dict(_assignments(tree)),
    )


def _imports(body: list[ast.stmt]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Names by origin, those under `if TYPE_CHECKING:` included."""
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)
        elif isinstance(node, ast.If):
            yield from _imports(node.body)


def _assignments(tree: ast.Module) -> list[tuple[str, ast.expr]]:
    found: list[tuple[str, ast.expr]] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.append((node.targets[0].id, node.value))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found.append((node.target.id, node.value))
    return found


@cache
def api_version() -> str:
    """The API version that the installed SDK pins, for example `2026-10-28.endive`."""
    return _class_constant("stripe._api_version", "_ApiVersion", "CURRENT")


@cache
def sdk_version() -> str:
    """The version of the installed SDK itself."""
    return str(ast.literal_eval(load("stripe._version").assignments["VERSION"]))


def _class_constant(module: str, class_name: str, constant: str) -> str:
    for node in load(module).classes[class_name].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant:
            return str(ast.literal_eval(node.value))
    raise LookupError(f"{module}.{class_name} has no {constant}")
