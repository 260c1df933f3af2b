"""Computations kept in the run store: computed once, never wrongly reused, damaged ones computed again."""

import numpy as np
import pandas as pd
import pytest

from helpers.runtime import cache, run_store, sources

MODULES = ["helpers.evaluation.metrics"]


@pytest.fixture
def ask(tmp_path):
    """Ask for the square of an array and count how often it was computed."""
    calls = []

    def ask(x=(1, 2), *, modules=MODULES, store=tmp_path, **more):
        x = np.asarray(x)

        def compute():
            calls.append(1)
            return {"square": x**2}

        found = cache.arrays(compute, inputs={"x": x, **more}, modules=modules, store=store)
        np.testing.assert_array_equal(found.arrays["square"], x**2)
        assert found.arrays["square"].dtype == x.dtype
        assert found.reused == (sum(calls) == ask.before)
        ask.before = sum(calls)
        return sum(calls)

    ask.before = 0
    return ask


def test_what_was_computed_is_read(ask, tmp_path):
    assert [ask(), ask(), ask()] == [1, 1, 1]
    assert ask(seed=1) == 2
    assert ask(seed=2) == 3
    assert ask(seed=1) == 3


@pytest.mark.parametrize("other", [[1, 3], [[1, 2]], np.array([1, 2], np.int32), [1.0, 2.0]])
def test_another_array_is_another_question(ask, other):
    assert [ask(), ask(other), ask()] == [1, 2, 2]


def test_the_order_of_memory_does_not_matter():
    square = np.arange(9).reshape(3, 3)
    assert cache.of_array(square) == cache.of_array(np.asfortranarray(square))
    assert cache.of_array(square) != cache.of_array(square.T)


def test_changed_code_and_changed_libraries_compute_anew(ask, tmp_path, monkeypatch):
    package = tmp_path / "helpers"
    package.mkdir()
    (package / "a.py").write_text("from helpers import b")
    (package / "b.py").write_text("x = 1")
    (package / "c.py").write_text("x = 1")
    monkeypatch.setattr(sources, "PACKAGE", package)
    assert [ask(modules=["helpers.a"]), ask(modules=["helpers.a"])] == [1, 1]
    (package / "c.py").write_text("x = 2")
    assert ask(modules=["helpers.a"]) == 1, "it does not import c"
    (package / "b.py").write_text("x = 2")
    assert ask(modules=["helpers.a"]) == 2
    monkeypatch.setattr(cache.paths, "ROOT", tmp_path)
    (tmp_path / "requirements.lock").write_text("numpy==9")
    assert ask(modules=["helpers.a"]) == 3


def test_a_damaged_entry_is_computed_again(ask, tmp_path, capsys):
    assert ask() == 1
    (path,) = tmp_path.glob("*/arrays.npz")
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    assert [ask(), ask()] == [2, 2]
    (tmp_path / path.parent.name / run_store.RECORD).write_text("{}")
    assert [ask(), ask()] == [3, 3]


def test_an_interrupted_computation_leaves_nothing(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.arrays(fail, inputs={}, modules=MODULES, store=tmp_path)
    found = cache.arrays(lambda: {"x": [1]}, inputs={}, modules=MODULES, store=tmp_path)
    assert not found.reused
    assert found.seconds >= 0


def test_what_cannot_be_kept_is_refused(tmp_path):
    with pytest.raises(ValueError, match="arrays of objects cannot be kept: x"):
        cache.arrays(lambda: {"x": [object()], "y": [1]}, inputs={}, modules=MODULES, store=tmp_path)
    with pytest.raises(TypeError):
        cache.arrays(dict, inputs={"x": object()}, modules=MODULES, store=tmp_path)
    assert not list(tmp_path.glob("*/run.json"))


def test_a_table_comes_back_as_it_was(tmp_path):
    table = pd.DataFrame({"name": ["a", "bc"], "n": [1, 2], "share": [0.5, np.nan], "sure": [True, False]})
    how = {"inputs": {"seed": 0}, "modules": MODULES, "store": tmp_path}
    asked = []

    def work():
        asked.append(1)
        return table

    first, second = (cache.frame(work, **how) for _ in range(2))
    assert len(asked) == 1
    for found in (first, second):
        pd.testing.assert_frame_equal(found, table, check_dtype=False)
        assert [found[name].dtype.kind for name in ("n", "share", "sure")] == ["i", "f", "b"]


NOTEBOOK = """\
from helpers.evaluation import metrics
from helpers.runtime import cache
def half(x):
    return x / 2
def compute():
    '''What it is called in prose decides nothing.'''
    return {"y": [half(1.0) * metrics.accuracy([1], [1]).estimate for _ in range(2)]}
"""


@pytest.mark.parametrize(
    ("old", "new", "computed"),
    [
        ("decides nothing.'''", "is something else.'''\n    # and a comment", 1),
        ("x / 2", "x / 4", 2),
        ("range(2)", "range(3)", 2),
        ("[1]).estimate", "[0]).estimate", 2),
        ("metrics.accuracy([1], [1]).estimate", "1.0", 2),
    ],
)
def test_a_notebook_s_own_functions_are_in_the_key(tmp_path, old, new, computed):
    """As in a kernel: the functions stand in `__main__`, and their source in no file."""
    for code in (NOTEBOOK, NOTEBOOK.replace(old, new)):
        notebook = {"__name__": "__main__"}
        exec(compile(code, "<cell>", "exec"), notebook)
        cache.arrays(notebook["compute"], inputs={}, store=tmp_path)
    assert len(list(tmp_path.glob("*/run.json"))) == computed


def test_the_modules_that_a_function_of_the_notebook_names_are_in_the_key(tmp_path):
    notebook = {"__name__": "__main__"}
    exec(compile(NOTEBOOK, "<cell>", "exec"), notebook)
    assert cache._source(notebook["compute"], [])["modules"] == ["helpers.evaluation.metrics"]
