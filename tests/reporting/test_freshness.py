"""Freshness by content: what a notebook depends on, and the words for why it is stale."""

import json
import shutil
import subprocess

import nbformat
import pytest

from helpers.reporting.run import freshness, provenance
from helpers.runtime import paths, sources


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


def test_what_only_type_checkers_import_is_not_reached(package):
    """Of `if TYPE_CHECKING: ... else: ...` the second part is what runs."""
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from helpers import c\nelse:\n    import helpers.b\n"
    )
    found = {path.relative_to(package).as_posix() for path in sources.closure("from helpers import a")}
    assert found == {"__init__.py", "a.py", "b.py", "d/__init__.py", "d/e.py"}


def test_an_edited_helper_concerns_only_its_users(package):
    uses_a, uses_c = notebook("from helpers import a"), notebook("from helpers import c")
    before = [freshness.components(n, {}) for n in (uses_a, uses_c)]
    (package / "d" / "e.py").write_text("y = 2\n")
    after = [freshness.components(n, {}) for n in (uses_a, uses_c)]
    assert changed(before[0], after[0]) == ["helper d/e.py"]
    assert changed(before[1], after[1]) == []


def test_comments_and_docstrings_of_helpers_change_no_numbers_but_the_page_that_may_show_them(package):
    uses = notebook("from helpers import c")
    before = freshness.components(uses, {}), freshness.page_digest(uses)
    (package / "c.py").write_text('"""What it is."""\nx = 1  # one\n')
    assert freshness.components(uses, {}) == before[0]
    assert freshness.page_digest(uses) != before[1]


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
    assert freshness.page_digest(one) != freshness.page_digest(two)


@pytest.mark.parametrize(
    "prose",
    [
        "![a](pics/a%20b.png)",
        "![a](<pics/a b.png>)",
        '<img alt="a" src="pics/a%20b.png" width="20">',
        "![a][one]\n\n[one]: pics/a%20b.png 'title'",
        "![far](/etc/none.png) and ![a](./pics/a%20b.png) ![b](\0.png)",
    ],
)
def test_a_picture_that_changes_changes_the_page(tmp_path, monkeypatch, prose):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    shown = paths.NOTEBOOKS / "pics" / "a b.png"
    shown.parent.mkdir(parents=True)
    one, seen = notebook("x = 1", prose=prose), set()
    for content in (None, b"first", b"second"):
        if content:
            shown.write_bytes(content)
        seen.add(freshness.page_digest(one))
    assert len(seen) == 3
    (shown.parent / "another.png").write_bytes(b"not shown")
    assert freshness.page_digest(one) in seen


def test_a_picture_outside_the_project_is_not_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project")
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "project" / "notebooks")
    (tmp_path / "secret.png").write_bytes(b"secret")
    assert freshness.pictures(notebook("1", prose="![s](../../secret.png)")) == ["../../secret.png absent"]


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


def test_what_another_notebook_found_counts_and_not_how_long_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr(freshness.paths, "RESULTS", tmp_path)
    uses = notebook('from helpers import results\nresults.load("03_knn")')

    def found():
        return freshness.components(uses, {})["results of 03_knn"]

    rows = [{"system": "kNN", "value": 0.97, "seconds": 12.5}, {"system": "tree", "value": 0.88, "seconds": 3}]
    path = tmp_path / "03_knn.json"
    told = [found()]
    for change in ({}, {"value": 0.98}, {"system": "kNN, k = 3"}, {"n": 100}):
        path.write_text(json.dumps({"answer": "So.", "rows": [rows[0] | change, rows[1]]}))
        told.append(found())
        path.write_text(json.dumps({"rows": [rows[0] | change | {"seconds": 99}, rows[1]], "answer": "Otherwise."}))
        assert found() == told[-1]
    path.write_text(json.dumps({"rows": rows[::-1]}))
    told.append(found())
    path.write_text(json.dumps({"rows": rows})[:-5])
    told.append(found())
    assert len(set(told)) == len(told), "absent, four findings, another order, damaged"


def test_records_in_folders_count_as_those_beside_them(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPORTS", tmp_path)
    for name in ("one.json", "checks.csv", "seeds/many.json", "averages/team.json"):
        (tmp_path / "runs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / name).write_text(name)
    reads = notebook("from helpers.training import averages, many_seeds")
    before = freshness.components(reads, {})
    for name in ("one.json", "checks.csv", "seeds/many.json", "averages/team.json"):
        (tmp_path / "runs" / name).write_text("longer")
        after = freshness.components(reads, {})
        assert freshness.why_stale(before, after) == [f"run record {name} changed"]
        before = after
    (tmp_path / "runs/seeds/many.json").unlink()
    assert freshness.why_stale(before, freshness.components(reads, {})) == ["run record seeds/many.json is gone"]
    of_single_runs = freshness.components(notebook("from helpers.training import archive"), {})
    assert {name for name in of_single_runs if name.startswith("run record")} == {
        "run record one.json",
        "run record checks.csv",
    }, "who reads no records of many seeds is not stale with them"
    others = freshness.components(notebook("from helpers.evaluation import metrics"), {})
    assert not [name for name in others if name.startswith("run record")]


def test_every_file_of_the_renderer_shapes_the_page(tmp_path, monkeypatch):
    """Each by itself: what makes outputs, prose and formulas, the template, styles and scripts."""
    copy = tmp_path / "page"
    shutil.copytree(freshness.RENDERER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(freshness, "RENDERER", copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    assert {"outputs.py", "prose.py", "render.py", "page.html.j2", "report.js", "report.css"} <= {p.name for p in files}
    one = notebook("x = 1")
    freshness.renderer_digest.cache_clear()
    before = freshness.page_digest(one)
    try:
        for path in files:
            content = path.read_bytes()
            path.write_bytes(content + b"\n")
            freshness.renderer_digest.cache_clear()
            assert freshness.page_digest(one) != before, path.name
            path.write_bytes(content)
        freshness.renderer_digest.cache_clear()
        assert freshness.page_digest(one) == before
    finally:
        freshness.renderer_digest.cache_clear()


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Run git in a scratch project of one commit."""
    monkeypatch.setattr(provenance.paths, "ROOT", tmp_path)

    def git(*arguments):
        about = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *about, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    for name in ("code.py", "reports/page.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    provenance.commit.cache_clear()
    yield git
    provenance.commit.cache_clear()


@pytest.mark.parametrize(
    ("written", "dirty"), [(None, False), ("code.py", True), ("new.py", True), ("reports/page.html", False)]
)
def test_a_report_says_of_which_commit_it_is_and_whether_the_code_was_another(git, tmp_path, written, dirty):
    if written:
        (tmp_path / written).write_text("2")
    assert provenance.commit() == {"commit": git("rev-parse", "HEAD")[:12], "dirty": dirty}


def test_a_persons_own_setting_of_git_hides_no_new_file(git, tmp_path):
    git("config", "status.showUntrackedFiles", "no")
    (tmp_path / "new.py").write_text("2")
    assert provenance.commit()["dirty"] is True


def test_outside_of_a_repository_no_commit_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance.paths, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    provenance.commit.cache_clear()
    try:
        assert provenance.commit() == {"commit": "unknown", "dirty": False}
    finally:
        provenance.commit.cache_clear()


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
