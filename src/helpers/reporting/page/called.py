"""Which helpers a notebook calls by name: where each stands and its source, found without running anything."""

import ast
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.reporting.run import code as python
from helpers.runtime import sources


@dataclass(frozen=True)
class Helper:
    """A function or class of the helpers, as a notebook names it ("load.make_split")."""

    name: str
    path: str  # from the root: src/helpers/data/load.py
    line: int
    source: str

    @property
    def anchor(self) -> str:
        """The anchor of its source on the notebook's page."""
        return "source-" + self.name.replace(".", "-")


def helpers(notebook: Mapping) -> list[Helper]:
    """Return the helpers that a notebook's code names, each once, in the order of their first use.

    Counted is `module.name` of an imported helper module and a name imported from one; not what those call in turn,
    nor constants.
    """
    cells = []
    for cell in notebook["cells"]:
        # A page is made all the same of a cell that is no Python.
        with contextlib.suppress(SyntaxError):
            cells += [python.of_cell("".join(cell["source"]))] if cell["cell_type"] == "code" else []
    tree = ast.parse("\n".join(cells))
    modules, direct = _imported(tree)
    found = {}
    for node in sorted(ast.walk(tree), key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            name, module, wanted = f"{node.value.id}.{node.attr}", modules[node.value.id], node.attr
        elif isinstance(node, ast.Name) and node.id in direct:
            name, (module, wanted) = node.id, direct[node.id]
        else:
            continue
        if name not in found:
            found[name] = _definition(name, module, wanted)
    return [helper for helper in found.values() if helper]


def link(code: str, known: list[Helper]) -> str:
    """Return highlighted Python with a link from the name of each known helper to its source on the page."""
    anchors = {helper.name: helper.anchor for helper in known}

    def attribute(found: re.Match) -> str:
        anchor = anchors.get(f"{found[2]}.{found[5]}")
        return f'{found[1]}{found[2]}{found[3]}{found[4]}<a href="#{anchor}">{found[5]}</a>' if anchor else found[0]

    def plain(found: re.Match) -> str:
        anchor = anchors.get(found[2])
        return f'{found[1]}<a href="#{anchor}">{found[2]}</a>' if anchor else found[0]

    if modules := {name.partition(".")[0] for name in anchors if "." in name}:
        names = "|".join(sorted(modules))
        dotted = rf'((?<!>\.</span>)<span class="[\w-]+">)({names})(</span><span class="[\w-]+">\.</span>)'
        code = re.sub(dotted + r'(<span class="[\w-]+">)(\w+)', attribute, code)
    if names := [name for name in anchors if "." not in name]:
        code = re.sub(rf'((?<!>\.</span>)<span class="(?:[\w]+-)?n">)({"|".join(names)})(?=</span>)', plain, code)
    return code


def _imported(tree: ast.AST) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Return the names of helper modules -> full module, and of what comes from one -> (module, its name there)."""
    modules, direct = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if _file(full):
                    modules[alias.asname or alias.name] = full
                else:
                    direct[alias.asname or alias.name] = (node.module, alias.name)
        elif isinstance(node, ast.Import):
            modules |= {alias.asname: alias.name for alias in node.names if alias.asname and _file(alias.name)}
    return modules, direct


def _file(module: str) -> Path | None:
    first, *rest = module.split(".")
    stem = sources.PACKAGE.joinpath(*rest)
    there = [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if first == "helpers" and path.is_file()]
    return there[0] if there else None


@cache
def _parsed(path: Path) -> tuple[str, ast.Module]:
    text = path.read_text(encoding="utf-8")
    return text, ast.parse(text)


def _definition(name: str, module: str, wanted: str) -> Helper | None:
    """Return where a module defines a name, following it into the module that it imports it from; None for no code."""
    path = _file(module)
    if path is None:
        return None
    text, tree = _parsed(path)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == wanted:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            source = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
            return Helper(name, path.relative_to(sources.PACKAGE.parents[1]).as_posix(), first, source)
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == wanted:
                    return _definition(name, node.module, alias.name)
    return None
