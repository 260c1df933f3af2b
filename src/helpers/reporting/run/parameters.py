"""Read a notebook's parameters cell and refuse overrides that are unknown or of the wrong type.

papermill only warns about an unknown name and injects names as code, so both are checked before a kernel starts.
"""

import ast
import math
import shlex
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from helpers.reporting.run import code as python
from helpers.reporting.run import strict_yaml


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: its name, annotation (source text) and default value."""

    name: str
    annotation: str
    default: object


SCALARS = {"int": int, "float": (int, float), "str": str, "bool": bool, "None": type(None)}
CONTAINERS = {"list": list, "tuple": (list, tuple), "dict": dict}


def declared(notebook: nbformat.NotebookNode) -> dict[str, Parameter]:
    """Return the parameters a notebook declares, by name, in order: none where no cell is tagged `parameters`.

    A parameter is a line `name: type = literal`; without a type it is of its default's. Raises ValueError, "cell 2,
    line 3: ...", for two tagged cells, a type that is not known and a default of another type.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [number for number, c in enumerate(cells, start=1) if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) > 1:
        raise ValueError(f"cell {tagged[1]}, line 1: tagged 'parameters', and so is cell {tagged[0]}; one may be")
    found = {}
    for number in tagged:
        source = cells[number - 1].source
        for node in ast.parse(python.of_cell(source)).body:
            try:
                parameter = _parameter(node)
            except ValueError as error:
                raise ValueError(f"cell {number}, line {node.lineno}: {error}") from None
            if parameter:
                found[parameter.name] = parameter
    return found


def _parameter(node: ast.stmt) -> Parameter | None:
    """Return what a line of a parameters cell declares; None for one that computes, which nobody can override."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if not isinstance(node, ast.Assign | ast.AnnAssign) or len(targets) != 1 or not isinstance(targets[0], ast.Name):
        return None
    try:
        default = ast.literal_eval(node.value)
    except (ValueError, TypeError):
        return None
    name, annotation = targets[0].id, getattr(node, "annotation", None)
    if annotation is None:
        return Parameter(name, _type_of(default), default)
    written = ast.unparse(annotation)
    if unknown := _unknown(annotation):
        known = ", ".join([*SCALARS, *(f"{outer}[...]" for outer in CONTAINERS)])
        raise ValueError(f"{name}: got the type {unknown}; {known} and | are allowed")
    if not _matches(default, annotation):
        raise ValueError(f"{name} = {default!r} is not of its type {written}")
    return Parameter(name, written, default)


def _type_of(default: object) -> str:
    """Return the type that a default without one speaks for: a float may be given as an int, None as anything."""
    if default is None:
        return " | ".join([*SCALARS, *CONTAINERS])
    name = type(default).__name__
    return name if name in SCALARS or name in CONTAINERS else " | ".join([*SCALARS, *CONTAINERS])


def _unknown(annotation: ast.expr) -> str:
    """Return the first part of an annotation that names no known type; nothing where all do."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _unknown(annotation.left) or _unknown(annotation.right)
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in CONTAINERS:
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return next(filter(None, (_unknown(one) for one in inner if ast.unparse(one) != "...")), "")
    written = ast.unparse(annotation)
    return "" if written in SCALARS or written in CONTAINERS else written


def validate(overrides: dict, parameters: dict[str, Parameter], *, source: str) -> dict:
    """Return the overrides unchanged if each is declared and of its declared type.

    `source` says in the message where they came from. Raises ValueError naming the parameter, what came and
    what is allowed.
    """
    for name, value in overrides.items():
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise ValueError(f"{source}: unknown parameter {name!r}; the notebook has: {known}")
        annotation = parameters[name].annotation
        if not _matches(value, ast.parse(annotation, mode="eval").body):
            raise ValueError(f"{source}: parameter {name} must be {annotation}, got {value!r}")
    return overrides


def given(text: str, parameter: Parameter) -> object:
    """Return what a person typed for a parameter: read as YAML, or as it stands where only text is of its type."""
    annotation = ast.parse(parameter.annotation, mode="eval").body
    try:
        value = strict_yaml.load(text)
    except ValueError:
        value = text
    if isinstance(value, str) and text.strip()[:1] not in ("'", '"', "|", ">", "!"):
        value = text  # YAML would end a path at " #"
    return text if not _matches(value, annotation) and _matches(text, annotation) else value


def as_option(overrides: dict) -> str:
    """Return overrides as papermill's option that takes them with their types, ready for a shell; nothing for none."""
    if not overrides:
        return ""
    text = yaml.safe_dump(overrides, default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True)
    return f" -y {shlex.quote(text.strip())}"


def read_overrides(path: Path) -> dict:
    """Read a flat YAML file of parameter overrides; a missing or empty file is no overrides.

    Raises ValueError naming the file when it is not YAML (see `strict_yaml`), or not a mapping of names to values.
    """
    if not path.exists():
        return {}
    try:
        content = strict_yaml.load(path.read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError is one
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
