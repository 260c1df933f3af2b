"""Freshness by content: what a notebook depends on, and the words for why it is stale."""

import nbformat
import pytest

from helpers.reporting.run import freshness
from helpers.runtime import sources


def notebook(*sources, prose="text"):
    cells = [nbformat.v4.new_markdown_cell(prose)] + [nbformat.v4.new_code_cell(s) for s in sources]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of helpers: a uses b (inside a function), c stands alone, the package d has a module e."""
    root = tmp_path / "helpers"
    (root / "d").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "a.py").write_text("def f():\n    from helpers import b\n    return b\n")
    (root / "b.py").write_text("import helpers.d.e as e\n")
    (root / "c.py").write_text("x = 1\n")
    (root / "d" / "__init__.py").write_text("")
    (root / "d" / "e.py").write_text("y = 1\n")
    monkeypatch.setattr(sources, "PACKAGE", root)
    return root


def changed(before, after):
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@pytest.mark.parametrize("code", ["from helpers import a", "import helpers.a", "from helpers.a import f"])
def test_helpers_are_found_transitively_and_only_those_used(package, code):
    found = {path.relative_to(package).as_posix() for path in sources.closure(code)}
    assert found >= {"a.py", "b.py", "d/e.py"}
    assert "c.py" not in found


def test_an_edited_helper_concerns_only_its_users(package):
    uses_a, uses_c = notebook("from helpers import a"), notebook("from helpers import c")
    before = [freshness.components(n, {}) for n in (uses_a, uses_c)]
    (package / "d" / "e.py").write_text("y = 2\n")
    after = [freshness.components(n, {}) for n in (uses_a, uses_c)]
    assert changed(before[0], after[0]) == ["helper d/e.py"]
    assert changed(before[1], after[1]) == []


def test_comments_and_docstrings_of_helpers_change_no_numbers_but_the_page_that_may_show_them(package):
    uses = notebook("from helpers import c")
    before = freshness.components(uses, {}), freshness.page_digest(uses, ())
    (package / "c.py").write_text('"""What it is."""\nx = 1  # one\n')
    assert freshness.components(uses, {}) == before[0]
    assert freshness.page_digest(uses, ()) != before[1]


@pytest.mark.parametrize("call", ["style.show_source(a.f)", "show_source(f)"])
def test_source_that_is_shown_counts_with_its_comments(package, call):
    shows = notebook(f"from helpers import a\nfrom helpers.a import f\n{call}")
    before = freshness.components(shows, {})
    text = (package / "a.py").read_text()
    (package / "a.py").write_text(text + "\n# elsewhere\n")
    assert freshness.components(shows, {}) == before
    (package / "a.py").write_text(text.replace("return b", "return b  # why"))
    assert changed(before, freshness.components(shows, {})) == ["shown source of f"]


def test_labels_of_writers_that_appear_are_new_to_who_looks_for_them(package, tmp_path, monkeypatch):
    (package / "data").mkdir()
    (package / "data" / "__init__.py").write_text("")
    (package / "data" / "writers.py").write_text("")
    (tmp_path / "data" / "qmnist").mkdir(parents=True)
    monkeypatch.setattr(freshness.paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(freshness.paths, "MNIST", tmp_path / "data" / "mnist")
    monkeypatch.setattr(freshness.paths, "CLAIMS", tmp_path / "data" / "claims.csv")
    asks, does_not = notebook("from helpers.data import writers"), notebook("from helpers import c")
    before = [freshness.components(n, {}) for n in (asks, does_not)]
    (tmp_path / "data" / "qmnist" / "qmnist-test-labels.tsv.gz").write_bytes(b"1")
    after = [freshness.components(n, {}) for n in (asks, does_not)]
    assert freshness.why_stale(before[0], after[0]) == ["data qmnist/qmnist-test-labels.tsv.gz is new"]
    assert before[1] == after[1]


def test_prose_changes_the_page_and_not_the_numbers():
    one, two = notebook("x = 1", prose="old"), notebook("x = 1", prose="new")
    assert freshness.components(one, {}) == freshness.components(two, {})
    assert freshness.page_digest(one, ("t", None, None)) != freshness.page_digest(two, ("t", None, None))
    assert freshness.page_digest(one, ("t", None, None)) != freshness.page_digest(one, ("t", None, ("b", "B")))


def test_code_parameters_and_named_data_change_the_numbers(tmp_path, monkeypatch):
    base = freshness.components(notebook("x = 1"), {"seed": 0})
    assert changed(base, freshness.components(notebook("x = 2"), {"seed": 0})) == ["code cell 1"]
    assert changed(base, freshness.components(notebook("x = 1"), {"seed": 1})) == ["parameter seed"]
    mine = tmp_path / "mine.csv"
    mine.write_text("1")
    before = freshness.components(notebook("x = 1"), {"source": str(mine)})
    mine.write_text("2")
    assert changed(before, freshness.components(notebook("x = 1"), {"source": str(mine)})) == [
        "data of parameter source: mine.csv"
    ]


def test_the_embedded_data_and_the_lock_are_components():
    found = freshness.components(notebook("x = 1"), {})
    assert {"data mnist/train-images-idx3-ubyte.gz", "data claims.csv", "requirements.lock"} <= set(found)


def test_results_of_other_notebooks_are_components():
    code = 'from helpers import results\nfound = results.load("03_knn")\nname = "x"\nresults.load(name)'
    assert freshness.loaded_results(code) == ["03_knn"]


def test_reasons_are_words():
    assert freshness.why_stale(None, {"a": "1"}) == ["never executed here"]
    assert freshness.why_stale({"a": "1"}, {"a": "1"}) == []
    then, now = {"a": "1", "b": "1"}, {"a": "2", "c": "1"}
    assert freshness.why_stale(then, now) == ["a changed", "c is new", "b is gone"]


def test_an_unreadable_state_is_no_state(tmp_path):
    path = tmp_path / "state.json"
    assert freshness.read_state(path) is None
    path.write_text("{cut")
    assert freshness.read_state(path) is None
    path.write_text("[1]")
    assert freshness.read_state(path) is None
