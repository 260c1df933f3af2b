"""Which of this project's modules some code reaches: what decides its numbers besides its inputs."""

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def digest(content: bytes | str) -> str:
    """Return the first 16 hex digits of the SHA-256 of some content."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the `digest` of a file's bytes."""
    return digest(path.read_bytes())


def imported(code: str) -> set[Path]:
    """Return the files of the helper modules that some code imports, not following them further.

    Imports inside functions count too. A notebook's line magics are not valid Python; they are refused elsewhere.
    """
    found = set()
    for name in _imported_names(code):
        stem = PACKAGE.joinpath(*name.split(".")[1:])
        found |= {path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()}
    return found


@functools.cache  # ten notebooks reach the same hundred modules; which files exist is asked anew
def _imported_names(code: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if name.split(".")[0] == "helpers")


def closure(code: str) -> list[Path]:
    """Return every helper file that some code reaches through imports, sorted."""
    seen: set[Path] = set()
    queue = imported(code)
    while queue:
        seen |= queue
        queue = {found for path in queue for found in imported(path.read_text(encoding="utf-8"))} - seen
    return sorted(seen)


def source_digest(modules: Iterable[str]) -> str:
    """Return one digest of the sources of helper modules, named in full, and of all that they import."""
    files = closure("\n".join(f"import {name}" for name in modules))
    return digest("\n".join(f"{path.relative_to(PACKAGE).as_posix()} {file_digest(path)}" for path in files))
