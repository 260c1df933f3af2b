"""Which source computes a number: the modules that some code reaches, and a digest of what they do.

A digest is of the syntax tree, so that comments, docstrings and layout change nothing and everything else does. It is
the same under every Python that the project supports.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# They carry numbers from disk to whoever asks, verified, and make none: an edit to them makes no kept number wrong.
CARRIERS = frozenset(f"runtime/{name}.py" for name in ("cache", "files", "paths", "progress", "run_store", "sources"))


@dataclass(frozen=True)
class Part:
    """What some names of a module reach in it, for a module of which one choice among many is used.

    stop: names that are not followed: the register from which the choice was made.
    """

    module: str
    names: frozenset[str]
    stop: frozenset[str] = frozenset()


def digest(content: bytes | str) -> str:
    """Return the first 16 hex digits of the SHA-256 of some content."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the `digest` of a file's bytes."""
    return digest(path.read_bytes())


def module_digest(path: Path) -> str:
    """Return the digest of what a module does; of its bytes where they are no valid Python."""
    try:
        return _code_digest(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return file_digest(path)


def digest_of(modules: Iterable[str], *, part: Part | Iterable[Part] | None = None) -> str:
    """Return one digest of the source of helper modules, named in full, and of all that they import: what computes.

    part: of one of them, or of several, only this much. Left out are CARRIERS and imports that serve only type
    checkers. Raises ValueError for a module or a name there is not.
    """
    modules = list(modules)
    for name in modules:
        if not _files(name):
            raise ValueError(f"modules: got {name!r}; the full name of a helper module is allowed")
    partial = _by_file(part)
    files = closure("\n".join(f"import {name}" for name in modules), part=partial.values())
    told = {
        path.relative_to(PACKAGE).as_posix(): _code_digest(path.read_text(encoding="utf-8"), partial.get(path))
        for path in files
    }
    return digest("\n".join(f"{name} {found}" for name, found in told.items() if name not in CARRIERS))


def closure(code: str, *, part: Part | Iterable[Part] | None = None) -> list[Path]:
    """Return every helper file that some code reaches through imports, sorted; of a `part`, what it imports."""
    partial = _by_file(part)
    seen: set[Path] = set()
    queue = imported(code)
    while queue:
        seen |= queue
        texts = {path: path.read_text(encoding="utf-8") for path in queue}
        queue = {file for path, text in texts.items() for file in imported(text, part=partial.get(path))}
        queue -= seen
    return sorted(seen)


def imported(code: str, *, part: Part | None = None) -> set[Path]:
    """Return the files of the helper modules that some code, or a part of it, imports, not following them further.

    Imports inside functions count too, and so do the packages that a module lies in.
    """
    return {path for name in _imported_names(code, part) for path in _files(name)}


@functools.cache  # by content: all notebooks reach the same hundred modules
def _imported_names(code: str, part: Part | None) -> frozenset[str]:
    names = set()
    for node in _executed(_tree(code, part)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    steps = [name.split(".") for name in names if name.split(".")[0] == "helpers"]
    return frozenset(".".join(step[:depth]) for step in steps for depth in range(1, len(step) + 1))


@functools.cache
def _code_digest(code: str, part: Part | None = None) -> str:
    return digest(repr(_shape(_tree(code, part))))


def _files(name: str) -> set[Path]:
    """Return the file of a dotted name below `helpers`: none where it names something inside a module."""
    stem = PACKAGE.joinpath(*name.split(".")[1:])
    return {path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()}


def _by_file(part: Part | Iterable[Part] | None) -> dict[Path, Part]:
    parts = [part] if isinstance(part, Part) else part or ()
    return {path: one for one in parts for path in _files(one.module)}


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, leaving out what stands under `if TYPE_CHECKING:`."""
    yield node
    typing = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for child in node.orelse if typing else ast.iter_child_nodes(node):
        yield from _executed(child)


def _tree(code: str, part: Part | None) -> ast.Module:
    """Return the tree of a module, or of those of its statements that a part reaches: any that bind no name are."""
    tree = ast.parse(code)
    if part is None:
        return tree
    bound = [(statement, _bound(statement)) for statement in tree.body]
    if unknown := part.names - {name for _, names in bound for name in names}:
        raise ValueError(f"names: got {', '.join(sorted(unknown))}; what {part.module} binds is allowed")
    reached, queue = set(), set(part.names).union(*(_used(statement) for statement, names in bound if not names))
    while queue := queue - reached - part.stop:
        reached |= queue
        queue = {used for statement, names in bound if names & queue for used in _used(statement)}
    return ast.Module([statement for statement, names in bound if not names or names & reached], [])


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return {
            node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
    return set()


def _used(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _shape(node):
    """Return a tree as nested tuples of what is there: no places, no docstrings, no empty fields.

    `ast.dump` would say the same, but not in the same way under each Python.
    """
    if isinstance(node, list):
        return tuple(map(_shape, node))
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_ignores")}
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    if documented and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    told = ((name, _shape(value)) for name, value in fields.items())
    return type(node).__name__, *(pair for pair in told if pair[1] not in (None, ()) or pair[0] == "value")
