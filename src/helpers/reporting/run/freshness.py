"""Decide by content, never by clock, whether a report is fresh, and say in words why not.

A notebook's **execution fingerprint** covers what can change its numbers: its code cells, its resolved
parameters, the helper modules it imports (transitively), the data, other notebooks' results it loads, and the
lock. Its **page fingerprint** covers what can change the page without running anything: prose, template,
the renderer, its neighbours' titles.
"""

import ast
import functools
import json
from pathlib import Path

import nbformat

from helpers.runtime import paths, sources
from helpers.runtime.sources import digest, file_digest

RENDERER = Path(__file__).resolve().parents[1] / "page"


def components(notebook: nbformat.NotebookNode, parameters: dict) -> dict[str, str]:
    """Return what a notebook's numbers depend on: a readable name of each part -> its digest.

    `parameters` are the resolved ones (defaults and overrides). Files and folders that a string parameter
    names, relative to the root, are part of the data.
    """
    cells = [c.source for c in notebook.cells if c.cell_type == "code"]
    code = "\n".join(cells)
    found = {f"code cell {i + 1}": digest(source) for i, source in enumerate(cells)}
    found |= of_parameters(parameters)
    for path in sources.closure(code):
        found[f"helper {path.relative_to(sources.PACKAGE).as_posix()}"] = file_digest(path)
    for path in sorted([*paths.MNIST.glob("*"), paths.CLAIMS]):
        if path.is_file():
            found[f"data {path.relative_to(paths.DATA).as_posix()}"] = file_digest(path)
    for slug in loaded_results(code):
        path = paths.RESULTS / f"{slug}.json"
        found[f"results of {slug}"] = _result_digest(path) if path.exists() else "absent"
    found |= recorded_runs(code)
    found["requirements.lock"] = file_digest(paths.ROOT / "requirements.lock")
    return found


def of_parameters(parameters: dict) -> dict[str, str]:
    """Return the part of `components` that the parameters decide."""
    found = {f"parameter {name}": digest(repr(value)) for name, value in parameters.items()}
    for name, value in parameters.items():
        if isinstance(value, str) and value:
            target = paths.ROOT / value
            try:
                files = sorted(path for path in [target, *target.glob("*")] if path.is_file())
            except (OSError, ValueError):  # text that no file could be called
                continue
            found |= {f"data of parameter {name}: {path.name}": file_digest(path) for path in files}
    return found


@functools.cache
def loaded_results(code: str) -> list[str]:
    """Return the notebooks whose results some code loads by a literal name: `results.load("NN_name")`."""
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and node.args)
    return sorted(
        {
            call.args[0].value
            for call in calls
            if ast.unparse(call.func) == "results.load" and isinstance(call.args[0], ast.Constant)
        }
    )


def recorded_runs(code: str) -> dict[str, str]:
    """Return the committed run records as components, for code that reads them: through `training.archive`."""
    if sources.PACKAGE / "training" / "archive.py" not in sources.closure(code):
        return {}
    return {f"run record {path.name}": file_digest(path) for path in sorted((paths.REPORTS / "runs").glob("*.json"))}


def page_digest(notebook: nbformat.NotebookNode, neighbours: tuple) -> str:
    """Return the digest of what shapes a page besides its numbers: sources, renderer, neighbours' titles."""
    content = [f"{c.cell_type}\n{c.source}" for c in notebook.cells] + [repr(neighbours), renderer_digest()]
    content += [f"key figure: {i}" for i, c in enumerate(notebook.cells) if "key-figure" in c.metadata.get("tags", [])]
    return digest("\0".join(content))


@functools.cache
def renderer_digest() -> str:
    """Return the digest of the renderer and its template."""
    files = [*sorted(RENDERER.glob("*.py")), *sorted((RENDERER / "template").iterdir())]
    return digest("".join(file_digest(path) for path in files))


def why_stale(then: dict[str, str] | None, now: dict[str, str]) -> list[str]:
    """Return the reasons, in words, why an execution no longer matches its sources; empty when it does."""
    if then is None:
        return ["never executed here"]
    reasons = [f"{name} changed" for name in now if name in then and then[name] != now[name]]
    reasons += [f"{name} is new" for name in now if name not in then]
    reasons += [f"{name} is gone" for name in then if name not in now]
    return reasons


def read_state(path: Path) -> dict | None:
    """Return a state or manifest file's content, or None when absent or unreadable (which means stale)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _result_digest(path: Path) -> str:
    """Digest what a result says, not when or how fast: seconds differ between runs, findings need not."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        told = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError):
        return "damaged"
    return digest(json.dumps(told, sort_keys=True))
