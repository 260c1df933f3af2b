"""Read a notebook's parameters cell and refuse overrides that are unknown or of the wrong type.

papermill only warns about an unknown name and injects names as code, so both are checked before a kernel starts.
"""

import ast
import math
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: its name, annotation (source text) and default value."""

    name: str
    annotation: str
    default: object


SCALARS = {"int": int, "float": (int, float), "str": str, "bool": bool, "None": type(None)}
CONTAINERS = {"list": list, "tuple": (list, tuple), "dict": dict}


def declared(notebook: nbformat.NotebookNode) -> dict[str, Parameter]:
    """Return the parameters a notebook declares, by name, in order.

    Raises ValueError when there is not exactly one cell tagged `parameters`, or when a line of it is not
    `name: type = literal`.
    """
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"a notebook needs exactly one cell tagged 'parameters', found {len(cells)}")
    found = {}
    for node in ast.parse(cells[0].source).body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            raise ValueError(
                f"parameters cell, line {node.lineno}: {ast.unparse(node)!r} is not `name: type = literal`"
            )
        try:
            default = ast.literal_eval(node.value)
        except ValueError:
            raise ValueError(
                f"parameters cell, line {node.lineno}: the default of {node.target.id!r} is not a literal"
            ) from None
        parameter = Parameter(node.target.id, ast.unparse(node.annotation), default)
        if not _matches(default, node.annotation):
            raise ValueError(
                f"parameters cell: {parameter.name} = {default!r} is not of its type {parameter.annotation}"
            )
        found[parameter.name] = parameter
    return found


def validate(overrides: dict, parameters: dict[str, Parameter], *, source: str) -> dict:
    """Return the overrides unchanged if each is declared and of its declared type.

    `source` says in the message where they came from. Raises ValueError naming the parameter, what came and
    what is allowed.
    """
    for name, value in overrides.items():
        if name not in parameters:
            known = ", ".join(parameters)
            raise ValueError(f"{source}: unknown parameter {name!r}; the notebook has: {known}")
        annotation = parameters[name].annotation
        if not _matches(value, ast.parse(annotation, mode="eval").body):
            raise ValueError(f"{source}: parameter {name} must be {annotation}, got {value!r}")
    return overrides


def read_overrides(path: Path) -> dict:
    """Read a flat YAML file of parameter overrides; a missing or empty file is no overrides.

    Raises ValueError naming the file when it is not YAML or not a mapping of names to values.
    """
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(k, str) for k in content):
        raise ValueError(f"{path.name}: must be a flat mapping of parameter names to values")
    return content


def _matches(value: object, annotation: ast.expr) -> bool:
    """Tell whether a value fits an annotation built of the scalars, list[...], dict[...], tuple[...] and |."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _matches(value, annotation.left) or _matches(value, annotation.right)
    name = ast.unparse(annotation)
    if name in SCALARS:
        # bool is a subclass of int in Python, but True is not what anyone means by a seed.
        if isinstance(value, bool) and name != "bool":
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        return isinstance(value, SCALARS[name])
    if name in CONTAINERS:
        return isinstance(value, CONTAINERS[name])
    if isinstance(annotation, ast.Subscript):
        outer = ast.unparse(annotation.value)
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        if outer not in CONTAINERS or not isinstance(value, CONTAINERS[outer]):
            return False
        if outer == "dict":
            pairs = [*inner, *inner][:2]
            return all(_matches(k, pairs[0]) and _matches(v, pairs[1]) for k, v in value.items())
        if outer == "tuple" and ast.unparse(inner[-1]) != "...":
            return len(value) == len(inner) and all(map(_matches, value, inner))
        return all(_matches(item, inner[0]) for item in value)
    return False
