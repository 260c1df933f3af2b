"""Decide by content, never by clock, whether a report is fresh, and say in words why not.

A notebook's **execution fingerprint** covers what can change its numbers: its code cells, its resolved
parameters, what the helper modules do that it imports (transitively), the data, the files below the project that its
kernel opened, other notebooks' results it loads, and the lock. Its **page fingerprint** covers what can change the page
without running anything: prose and the pictures it shows, template, the renderer, helper source that a page shows.
"""

import ast
import functools
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import nbformat

from helpers.reporting.run import code as python
from helpers.runtime import paths, sources
from helpers.runtime.sources import digest, file_digest

RENDERER = Path(__file__).resolve().parents[1] / "page"
_PICTURE = re.compile(
    r"""<([^<>\n]+\.(?:png|jpe?g|gif|webp|svg))>|([^\s"'`()<>\[\]]+\.(?:png|jpe?g|gif|webp|svg))\b""", re.IGNORECASE
)
MOST_NAMED = 20  # files of a parameter that are told apart; of more one digest is kept
OPENED = "file "  # how the name of a component begins that is a file which the kernel opened
# Below the root: what is made here, and what is a component by another name.
_NOT_OPENED = (
    "build/",
    "reports/results/",
    "reports/runs/",
    "data/mnist/",
    "data/qmnist/",
    "data/claims.csv",
    "requirements.lock",
)


def components(
    notebook: nbformat.NotebookNode, parameters: dict, *, before: dict[str, str] | None = None
) -> dict[str, str]:
    """Return what a notebook's numbers depend on: a readable name of each part -> its digest.

    `parameters` are the resolved ones (defaults and overrides). Files and folders that a string parameter
    names, relative to the root, are part of the data; of `source` what lies deeper, too. before: the components of its
    last execution, which say what its kernel opened; these files are looked at again. Raises ValueError for code that
    is no Python, naming the cell or the helper.
    """
    cells = [c.source for c in notebook.cells if c.cell_type == "code"]
    code = python.of_notebook(notebook)
    found = {f"code cell {i + 1}": digest(source) for i, source in enumerate(cells)}
    found |= of_parameters(parameters)
    try:
        reached = {path.relative_to(sources.PACKAGE).as_posix(): path for path in sources.closure(code)}
    except SyntaxError:
        raise ValueError(_half_typed()) from None
    found |= {f"helper {name}": sources.module_digest(path) for name, path in reached.items()}
    found |= shown_source(code)
    data = [*paths.MNIST.glob("*"), paths.CLAIMS]
    if "data/writers.py" in reached:  # who wrote which digit: a report says more when these files are there
        data += (paths.DATA / "qmnist").glob("*.gz")
    for path in sorted(data):
        if path.is_file():
            found[f"data {path.relative_to(paths.DATA).as_posix()}"] = file_digest(path)
    for slug in loaded_results(code):
        path = paths.RESULTS / f"{slug}.json"
        found[f"results of {slug}"] = result_digest(path) if path.exists() else "absent"
    found |= recorded_runs(code)
    found["requirements.lock"] = file_digest(paths.ROOT / "requirements.lock")
    return found | opened((name.removeprefix(OPENED) for name in before or {} if name.startswith(OPENED)), parameters)


def _half_typed() -> str:
    """Return which helper module is no Python, and where."""
    for path in sorted(sources.PACKAGE.rglob("*.py")):
        try:
            ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            return f"it imports {path.relative_to(sources.PACKAGE.parents[1])}, line {error.lineno}: {error.msg}"
    return "it imports a helper that could not be read"


def opened(names: Iterable[str], parameters: dict) -> dict[str, str]:
    """Return files that a kernel opened, paths from the root, as components; one that is not there is "absent".

    Left out are helper modules, which are components by what they do, and whatever else is one already (as the files of
    a `source`) or is made here.
    """
    found, source = {}, _place(parameters.get("source"))
    for name in sorted(set(names)):
        path = paths.ROOT / name
        if source and path.is_relative_to(source):
            continue
        helper = path.suffix == ".py" and path.is_relative_to(sources.PACKAGE)
        if helper or name.startswith((*_NOT_OPENED, ".")):
            continue
        if not path.is_file():
            found[OPENED + name] = "absent"
        else:
            found[OPENED + name] = sources.module_digest(path) if path.suffix == ".py" else file_digest(path)
    return found


@functools.cache
def _shown_names(code: str) -> frozenset[str]:
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    shown = [call for call in calls if ast.unparse(call.func).split(".")[-1] == "show_source"]
    return frozenset(ast.unparse(argument).split(".")[-1] for call in shown for argument in call.args)


def shown_source(code: str) -> dict[str, str]:
    """Return as components the source, comments and all, of what `show_source` puts on the page."""
    shown = _shown_names(code)
    texts = [path.read_text(encoding="utf-8") for path in sorted(sources.imported(code))] if shown else []
    found = {name: one for text in texts for name, one in _defined(text).items() if name in shown}
    return {f"shown source of {name}": one for name, one in sorted(found.items())}


@functools.cache  # by content: all notebooks show what lies in a few modules
def _defined(text: str) -> dict[str, str]:
    """Return the digest of each function and class of a module, decorators and comments included."""
    found, lines = {}, text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node, *node.decorator_list], key=lambda part: part.lineno).lineno
            found[node.name] = digest("\n".join(lines[first - 1 : node.end_lineno]))
    return found


def of_parameters(parameters: dict) -> dict[str, str]:
    """Return the part of `components` that the parameters decide."""
    found = {f"parameter {name}": digest(repr(value)) for name, value in parameters.items()}
    for name, value in parameters.items():
        if (target := _place(value)) is None:
            continue
        try:
            files = [path for path in [target, *target.glob("*")] if path.is_file()]
            if name == "source" and target.is_dir() and not paths.ROOT.is_relative_to(target):
                files = [Path(folder, file) for folder, _, names in os.walk(target) for file in names if file[0] != "."]
            told = {path.relative_to(target.parent): _digest_of_data(path, path.stat()) for path in sorted(files)}
        except (OSError, ValueError):  # text that no file could be called; one that may not be read
            continue
        prefix = f"data of parameter {name}: "
        if len(told) > MOST_NAMED:
            whole = repr([(str(path), one) for path, one in told.items()])
            found[f"{prefix}the files of {target.name}"] = digest(whole)
        else:
            found |= {prefix + "/".join(path.parts[1:] or path.parts): one for path, one in told.items()}
    return found


def _place(value: object) -> Path | None:
    """Return where a parameter would lie, were it the name of a file."""
    return paths.ROOT / os.path.expanduser(value) if isinstance(value, str) and value else None


def _digest_of_data(path: Path, about: os.stat_result) -> str:
    """Return a file's digest, computed once a process: all notebooks ask for the same images."""
    return _digest_once(path, about.st_ino, about.st_size, about.st_mtime_ns)


@functools.cache
def _digest_once(path: Path, *about: int) -> str:
    return file_digest(path)


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
    """Return the committed records of trainings as components, for code that reaches what reads them."""
    reached, kept = sources.closure(code), paths.REPORTS / "runs"
    readers = {"archive": ("*.json", "*.csv"), "many_seeds": ("seeds/*.json",), "averages": ("averages/*.json",)}
    read = [
        one
        for name, kinds in readers.items()
        if sources.PACKAGE / "training" / f"{name}.py" in reached
        for one in kinds
    ]
    found = sorted(path for kind in read for path in kept.glob(kind))
    return {f"run record {path.relative_to(kept).as_posix()}": file_digest(path) for path in found}


def page_digest(notebook: nbformat.NotebookNode) -> str:
    """Return the digest of what shapes a page besides its numbers: sources and renderer."""
    content = [f"{c.cell_type}\n{c.source}" for c in notebook.cells] + [renderer_digest()]
    content += [f"{i}: {sorted(c.metadata.get('tags', []))}" for i, c in enumerate(notebook.cells)]
    code = python.of_notebook(notebook)
    content += [file_digest(path) for path in sorted(sources.imported(code))]  # the page may show what it calls
    return digest("\0".join(content + pictures(notebook)))


def pictures(notebook: nbformat.NotebookNode) -> list[str]:
    """Return each file of a picture that a notebook's cells name, in whatever form, with its digest, or "absent"."""
    named = {unquote(name) for cell in notebook.cells for found in _PICTURE.findall(cell.source) for name in found}
    found = []
    for name in sorted(named - {""}):
        path = paths.NOTEBOOKS / name
        try:
            inside = path.resolve().is_relative_to(paths.ROOT.resolve()) and path.is_file()
            found.append(f"{name} {file_digest(path) if inside else 'absent'}")
        except (OSError, ValueError):  # a name that no file can have, or a file that may not be read
            found.append(f"{name} absent")
    return found


@functools.cache
def renderer_digest() -> str:
    """Return the digest of the renderer and its template."""
    files = [path for path in sorted(RENDERER.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
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


def result_digest(path: Path) -> str:
    """Digest what a result says, not when or how fast, as seconds differ between runs; "damaged" if it says nothing."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        told = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError):
        return "damaged"
    return digest(json.dumps(told, sort_keys=True))
