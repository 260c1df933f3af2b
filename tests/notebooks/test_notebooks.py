"""Every notebook: fit to be read, edited, parameterised (tests/notebooks/test_smoke.py executes them)."""

import ast
import re

import nbformat
import pytest

from helpers.reporting.run import parameters, plan
from helpers.runtime import paths

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
WORDS = {"style.say", "results.save"}
# What fits, trains or predicts comes from here, or is called so.
COMPUTING = ("sklearn", "scipy", "keras", "helpers.training", "helpers.classical", "helpers.models", "helpers.predict")
TELLING = "helpers.training.conditions"  # it only says how a training was made
FITTING = {"fit", "fit_transform", "fit_predict", "predict", "predict_proba", "train", "search"}
# What draws accuracies side by side, and must say under which conditions they came about (`compared=`).
COMPARING = {"charts.intervals", "score_chart", "cost_chart", "curves.frontier"}
# What a measured number looks like in prose: a percentage with decimals, or a long decimal fraction.
MEASURED = re.compile(r"\b\d{1,3}\.\d+\s?%|\b0\.\d{3,}\b")


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks_numbered_without_gaps():
    numbers = [int(path.stem.split("_")[0]) for path in NOTEBOOKS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


@every_notebook
def test_the_file_is_valid_and_stripped(path):
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert cell.source.strip(), "an empty cell"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    # As Lab writes it, so that saving there changes nothing; `make format` removes what else editors note.
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert notebook.metadata == {"kernelspec": kernel}


@every_notebook
def test_parameters_have_types_and_a_seed_and_say_what_they_mean(path):
    notebook = read(path)
    declared = parameters.declared(notebook)
    assert declared["seed"].annotation == "int"
    assert declared["profile"].default == "standard"
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    for line in cell.source.splitlines():
        assert "#" in line, f"say what it means: {line}"
    lines = ast.parse(cell.source).body
    assert all(isinstance(line, ast.AnnAssign) for line in lines), "a type for each, name: type = literal"
    assert len(declared) == len(lines), "a literal for each"


def test_every_notebook_but_that_of_the_small_digits_takes_ones_own():
    taken = {path.stem: parameters.declared(read(path)).get("source") for path in NOTEBOOKS}
    assert taken.pop("02_svm_sklearn_digits") is None, "its digits have known writers: it is about no others"
    assert {name: one and (one.annotation, one.default) for name, one in taken.items()} == dict.fromkeys(
        taken, ("str", "")
    )


@every_notebook
def test_code_is_plain_and_imports_in_one_cell(path):
    cells = code_cells(read(path))
    importing = []
    for number, cell in enumerate(cells, start=1):
        assert not re.search(r"^\s*[%!]", cell.source, re.M), f"cell {number}: a magic or a shell command"
        tree = ast.parse(cell.source)
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)):
            importing.append(number)
        assert "sys.path" not in cell.source
        assert "ipywidgets" not in cell.source
    assert len(importing) == 1, f"imports in cells {importing}; one cell should hold them"


def called(source):
    """Return the functions that some code calls, as it names them."""
    return {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}


def computing(functions, imports):
    """Return which of the functions, named as they are called, fit or predict; imports: the code that imports them."""
    nodes = [node for node in ast.walk(ast.parse(imports)) if isinstance(node, ast.ImportFrom)]
    places = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
    parts = [re.split(r"\W", one) for one in functions]
    found = {".".join(one): places.get(one[0], "") for one in parts}
    computes = {name for name, place in found.items() if place.startswith(COMPUTING) and not place.startswith(TELLING)}
    return computes | {".".join(one) for one in parts if one[-1] in FITTING}


@every_notebook
def test_what_words_or_saves_stands_apart_and_is_hidden_and_nothing_else_is(path):
    cells = code_cells(read(path))
    imports = "\n".join(cell.source for cell in cells)
    for cell in cells:
        functions, hidden = called(cell.source), "remove-input" in cell.metadata.get("tags", [])
        assert hidden or not functions & WORDS, f"cell {cell.id}: split what words or saves, and tag it remove-input"
        found = computing(functions, imports)
        assert not hidden or not found, f"cell {cell.id} is hidden and calls {found}"


def test_the_check_for_hidden_computing_catches_it():
    imports = "from sklearn.svm import SVC\nfrom helpers.classical import trees as t\nfrom helpers.figures import style"
    for code in ("style.say(SVC(C=1).fit(x, y))", "t.grow(x)", "[m.predict(x) for m in models]", "SVC()"):
        assert computing(called(code), imports), code
    assert not computing(called("style.say(f'{len(rows):,}')\nstyle.table(rows)"), imports)


def mixes_unsaid(source):
    """Return what some code draws side by side without saying whether like is compared with like."""
    tree = ast.parse(source)
    shown = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "style.show"]
    said = [node for node in shown if any(keyword.arg == "compared" for keyword in node.keywords)]
    covered = {ast.unparse(one.func) for node in said for one in ast.walk(node) if isinstance(one, ast.Call)}
    return called(source) & COMPARING - covered


@every_notebook
def test_what_stands_side_by_side_says_under_which_conditions(path):
    for cell in code_cells(read(path)):
        found = mixes_unsaid(cell.source)
        assert not found, f"cell {cell.id}: {found}; pass style.show(compared=...)"


def test_the_check_for_comparisons_catches_one():
    assert mixes_unsaid("style.show(charts.intervals(names, scores), alt='A', caption='B')")
    assert not mixes_unsaid("style.show(charts.intervals(names, scores), alt='A', compared=rows)")
    assert mixes_unsaid("fig = charts.intervals(names, scores)\nstyle.show(fig, alt='A', compared=rows)")
    assert not mixes_unsaid("style.show(distributions.confusion(counts), alt='A')")


@every_notebook
def test_no_measured_number_is_typed_into_prose(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"`[^`]*`", "", cell.source)
            found = MEASURED.findall(prose)
            assert not found, f"{found} in: {cell.source[:80]}"


def test_the_check_for_measured_numbers_catches_one():
    assert MEASURED.search("The network reads 99.64% of them.")
    assert MEASURED.search("an accuracy of 0.9964")
    assert not MEASURED.search("5 of 10 digits, gamma = 0.01, in 2021, 95% intervals")


def test_every_notebook_is_a_report_and_every_profile_is_of_one():
    assert plan.reports() == NOTEBOOKS
    assert [words for profile in plan.PROFILES for words in plan.skipped(profile)] == []
    assert {path.stem for path in (paths.PROFILES / "smoke").glob("*.yaml")} == {path.stem for path in NOTEBOOKS}


@every_notebook
def test_the_shape_of_the_series(path):
    notebook = read(path)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    headings = [line for c in notebook.cells if c.cell_type == "markdown" for line in c.source.splitlines()]
    assert sum(line.startswith("## ") for line in headings) >= 4
    source = "\n".join(cell.source for cell in code_cells(notebook))
    assert f'results.save(\n    "{path.stem}"' in source or re.search(rf'results\.save\(\s*"{path.stem}"', source)


@pytest.mark.parametrize("profile", plan.PROFILES)
def test_profiles_override_only_what_the_notebooks_declare(profile):
    jobs = plan.plan(profile) if profile != "full" else []
    assert [job.error for job in jobs if job.error] == []
    assert all(job.resolved["profile"] == profile for job in jobs)
    for override in sorted((paths.PROFILES / profile).glob("*.yaml")):
        declared = parameters.declared(read(paths.NOTEBOOKS / f"{override.stem}.ipynb"))
        parameters.validate(parameters.read_overrides(override), declared, source=override.name)
