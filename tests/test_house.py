"""The plan of the house: rooms on floors, imports downwards only and in no circle, tests that mirror the rooms."""

import ast
from pathlib import Path

import nbformat
import pytest

from helpers.runtime import paths

PACKAGE = paths.ROOT / "src" / "helpers"
# From the ground up. A room may use every room on a lower floor, and none on its own.
FLOORS = (
    ("runtime",),
    ("evaluation",),
    ("data", "models", "results"),
    ("training", "classical", "figures"),
    ("predict",),
    ("experiments", "reporting"),
)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
# Used by one report only, and yet no part of it: a method, not a report's.
GENERAL = {
    "helpers.classical.estimators": "fits neighbours, trees and forests as predictors",
    "helpers.data.kaggle": "reads and writes the files of a competition, for any predictions",
    "helpers.evaluation.conformal": "sets of labels with a promised coverage, from any probabilities",
    "helpers.evaluation.corruptions": "damages any images, in kinds and grades",
    "helpers.evaluation.occlusion": "where any predictor looks, by covering parts of an image",
    "helpers.evaluation.timing": "how long any predictor takes for an image",
    "helpers.figures.atlas": "a sheet of any images, each of which opens",
    "helpers.training.predictor": "what a training left, as a predictor",
    "helpers.training.cross_validation": "how folds are put together and drawn again: a method",
    "helpers.training.many_seeds": "what any training leaves from many seeds: a method",
    "helpers.training.averages": "what any trained networks read together: a method",
}
OTHER_TESTS = {"browser", "faults", "notebooks"}  # of finished pages, of broken disks, of the notebooks themselves


def modules(package: Path) -> dict[str, Path]:
    """Return dotted name -> file for every module of a package, packages under their own name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(code: str, known) -> set[str]:
    """Return the modules in `known` that some code imports, anywhere in it: what it names, not what that lies in."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import; say where it comes from"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole in known else node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            names |= {one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)}
    return names & set(known)


def graph(package: Path) -> dict[str, set[str]]:
    """Return for each module of a package the modules of it that it imports."""
    known = modules(package)
    return {name: imported(path.read_text(encoding="utf-8"), known) - {name} for name, path in known.items()}


def room(module: str) -> str:
    return module.split(".")[1]


def upward(arrows: dict[str, set[str]]) -> list[str]:
    """Return the imports that do not go down: to the same floor, to a higher one, or to another report's experiment."""
    wrong = []
    for module, targets in arrows.items():
        for target in targets:
            if "." not in module or "." not in target:
                wrong.append(f"{module} -> {target}: the package itself holds and is given nothing")
            elif room(module) == room(target):
                apart = module.split(".")[2:3] != target.split(".")[2:3]
                if room(module) == "experiments" and apart:
                    wrong.append(f"{module} -> {target}: what two reports need is no experiment")
            elif FLOOR[room(target)] >= FLOOR[room(module)]:
                wrong.append(f"{module} -> {target}")
    return sorted(wrong)


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """Return the modules that reach themselves through imports."""

    def reached(start: str) -> set[str]:
        seen, queue = set(), set(arrows[start])
        while queue:
            seen |= queue
            queue = {target for module in queue for target in arrows[module]} - seen
        return seen

    return sorted(module for module in arrows if module in reached(module))


def used_by_notebook(path: Path) -> set[str]:
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return {name for name in imported("\n".join(cells), modules(PACKAGE)) if "." in name}


def strays(arrows: dict[str, set[str]], notebooks: dict[str, set[str]]) -> dict[str, str]:
    """Return the modules outside of experiments that serve one report alone, and which: by its notebook or experiment.

    arrows: module -> what it imports; notebooks: report -> what its notebook imports.
    """
    users = {module: set() for module in arrows}
    for report, targets in notebooks.items():
        for target in targets:
            users[target].add(("report", report))
    for module, targets in arrows.items():
        parts = module.split(".")
        for target in targets:
            users[target].add(("report", parts[2]) if parts[1:2] == ["experiments"] and parts[2:] else ("src", module))
    alone = {module: next(iter(found)) for module, found in users.items() if len(found) == 1}
    outside = {module: user for module, user in alone.items() if not module.startswith("helpers.experiments")}
    return {module: report for module, (kind, report) in outside.items() if kind == "report"}


def test_every_module_stands_in_a_room():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py"}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(FLOOR)
    for path in PACKAGE.rglob("*.py"):
        assert (path.parent / "__init__.py").is_file(), f"{path}: its folder is no package"


def test_imports_go_down_only():
    assert upward(graph(PACKAGE)) == []


def test_no_module_imports_itself_through_others():
    assert circles(graph(PACKAGE)) == []


def test_an_experiment_is_named_as_a_report_and_serves_it_alone():
    reports = {path.stem.split("_", 1)[1]: path for path in paths.NOTEBOOKS.glob("*.ipynb")}
    folders = {path.parent.name for path in PACKAGE.glob("experiments/*/__init__.py")}
    assert folders <= set(reports)
    assert {path.name for path in (PACKAGE / "experiments").glob("*.py")} == {"__init__.py"}
    for report, path in reports.items():
        used = used_by_notebook(path)
        assert {name.split(".")[2] for name in used if name.startswith("helpers.experiments.")} <= {report}
        assert not any(room(name) == "reporting" for name in used), f"{path.name}: pages are made outside of notebooks"


def test_what_one_report_alone_uses_lies_in_its_experiment_or_is_general():
    notebooks = {path.stem.split("_", 1)[1]: used_by_notebook(path) for path in paths.NOTEBOOKS.glob("*.ipynb")}
    found = strays(graph(PACKAGE), notebooks)
    assert {module: report for module, report in found.items() if module not in GENERAL} == {}
    assert set(GENERAL) <= set(modules(PACKAGE))


def test_tests_mirror_the_rooms():
    folders = {path.parent.name for path in (paths.ROOT / "tests").glob("*/test_*.py")}
    assert folders == set(FLOOR) | OTHER_TESTS
    loose = {path.name for path in (paths.ROOT / "tests").glob("test_*.py")}
    assert loose == {"test_house.py", "test_repository.py"}


# The checks themselves, on a house with one thing wrong.


@pytest.fixture
def house(tmp_path):
    package = tmp_path / "helpers"
    files = {
        "evaluation/metrics.py": "import numpy as np\nfrom helpers.runtime import files\n",
        "runtime/files.py": "import os\n",
        "runtime/cache.py": "from helpers.runtime import files\n",
        "training/fit.py": "from helpers.evaluation.metrics import wilson\nfrom helpers.runtime import cache\n",
        "experiments/eda/strokes.py": "from helpers.evaluation import metrics\n",
        "experiments/mlp/fits.py": "from helpers.training import fit\n",
    }
    for name, code in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text("")
    assert upward(graph(package)) == []
    assert circles(graph(package)) == []
    return package


@pytest.mark.parametrize(
    ("name", "line", "arrow"),
    [
        (
            "evaluation/metrics.py",
            "from helpers.training import fit",
            "metrics -> helpers.training.fit",
        ),
        ("evaluation/metrics.py", "from helpers.training.fit import run", "helpers.training.fit"),
        ("evaluation/metrics.py", "def f():\n    import helpers.training.fit", "helpers.training.fit"),
        (
            "runtime/files.py",
            "importlib.import_module('helpers.training.fit')",
            "helpers.training.fit",
        ),
        ("training/fit.py", "from helpers.experiments.mlp import fits", "helpers.experiments.mlp.fits"),
        ("experiments/eda/strokes.py", "from helpers.experiments.mlp import fits", "no experiment"),
        ("training/fit.py", "from helpers import nothing", "holds"),
    ],
)
def test_an_import_that_goes_up_is_found(house, name, line, arrow):
    (house / name).write_text(line + "\n")
    (found,) = upward(graph(house))
    assert arrow in found


def test_a_circle_is_found(house):
    (house / "runtime" / "files.py").write_text("def f():\n    from helpers.runtime import cache\n")
    assert circles(graph(house)) == ["helpers.runtime.cache", "helpers.runtime.files"]


def test_a_stray_is_found(house):
    arrows = graph(house)
    notebooks = {"eda": {"helpers.experiments.eda.strokes"}, "mlp": {"helpers.experiments.mlp.fits"}}
    assert strays(arrows, notebooks) == {"helpers.training.fit": "mlp"}  # through its experiment alone
    assert strays(arrows, notebooks | {"eda": {"helpers.training.fit"}}) == {}
