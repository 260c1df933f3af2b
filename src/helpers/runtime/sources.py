"""Which source computes a number: the modules that some code reaches, and a digest of what they do.

A digest is of the syntax tree, so that comments, docstrings and layout change nothing and everything else does. It is
the same under every Python that the project supports.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# They carry numbers from disk to whoever asks, verified, and make none: an edit to them makes no kept number wrong.
CARRIERS = frozenset(f"runtime/{name}.py" for name in ("cache", "files", "paths", "progress", "run_store", "sources"))


def digest(content: bytes | str) -> str:
    """Return the first 16 hex digits of the SHA-256 of some content."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the `digest` of a file's bytes."""
    return digest(path.read_bytes())


@functools.cache  # by content: ten notebooks reach the same hundred modules
def code_digest(code: str) -> str:
    """Return the `digest` of what some code does: of its syntax tree without docstrings."""
    return digest(repr(_shape(ast.parse(code))))


def module_digest(path: Path) -> str:
    """Return the `code_digest` of a file; of its bytes where they are no valid Python."""
    try:
        return code_digest(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return file_digest(path)


def digest_of(modules: Iterable[str]) -> str:
    """Return one digest of the source of helper modules, named in full, and of all that they import: what computes.

    Left out are CARRIERS and imports that serve only type checkers. Raises ValueError for a module there is not.
    """
    modules = list(modules)
    for name in modules:
        if not _files(name):
            raise ValueError(f"modules: got {name!r}; the full name of a helper module is allowed")
    files = closure("\n".join(f"import {name}" for name in modules))
    told = {path.relative_to(PACKAGE).as_posix(): module_digest(path) for path in files}
    return digest("\n".join(f"{name} {found}" for name, found in told.items() if name not in CARRIERS))


def closure(code: str) -> list[Path]:
    """Return every helper file that some code reaches through imports, sorted."""
    seen: set[Path] = set()
    queue = imported(code)
    while queue:
        seen |= queue
        queue = {found for path in queue for found in imported(path.read_text(encoding="utf-8"))} - seen
    return sorted(seen)


def imported(code: str) -> set[Path]:
    """Return the files of the helper modules that some code imports, not following them further.

    Imports inside functions count too, and so do the packages that a module lies in.
    """
    return {path for name in imported_names(code) for path in _files(name)}


@functools.cache
def imported_names(code: str) -> frozenset[str]:
    """Return the dotted names below `helpers` that some code imports, with the packages they lie in."""
    names = set()
    for node in _executed(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names if name.split(".")[0] == "helpers"]
    return frozenset(".".join(part[:depth]) for part in parts for depth in range(1, len(part) + 1))


def _files(name: str) -> set[Path]:
    """Return the file of a dotted name below `helpers`: none where it names something inside a module."""
    stem = PACKAGE.joinpath(*name.split(".")[1:])
    return {path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()}


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, leaving out what stands under `if TYPE_CHECKING:`."""
    yield node
    typing = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for child in node.orelse if typing else ast.iter_child_nodes(node):
        yield from _executed(child)


def _shape(node):
    """Return a tree as nested tuples of what is there: no places, no docstrings, no empty fields.

    `ast.dump` would say the same, but not in the same way under each Python.
    """
    if isinstance(node, list):
        return tuple(map(_shape, node))
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
        node, clean=False
    ):
        fields["body"] = node.body[1:]
    told = ((name, _shape(value)) for name, value in fields.items() if name not in ("ctx", "kind", "type_ignores"))
    return type(node).__name__, *(pair for pair in told if pair[1] not in (None, ()) or pair[0] == "value")
