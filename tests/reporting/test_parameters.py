"""Parameters cells: what is declared, and what overrides are refused before anything runs."""

import nbformat
import pytest

from helpers.reporting.run import parameters

CELL = """\
seed: int = 0  # any whole number
rate: float = 0.5
name: str = "a"
flag: bool = False
ks: list[int] = [1, 2]
limit: int | None = None
grid: dict[str, float] = {"a": 1.0}"""


def notebook(*sources, tagged=True):
    cells = [nbformat.v4.new_code_cell(s, metadata={"tags": ["parameters"]} if tagged else {}) for s in sources]
    return nbformat.v4.new_notebook(cells=cells)


def test_declared_reads_names_types_and_defaults():
    found = parameters.declared(notebook(CELL))
    assert list(found) == ["seed", "rate", "name", "flag", "ks", "limit", "grid"]
    assert found["ks"].default == [1, 2]
    assert found["limit"].annotation == "int | None"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("seed = 0", "not `name: type = literal`"),
        ("seed: int", "not `name: type = literal`"),
        ("seed: int = 1 + int('2')", "not a literal"),
        ("seed: int = 'x'", "not of its type int"),
        ("import os", "not `name: type = literal`"),
    ],
)
def test_a_line_that_is_not_a_typed_literal_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        parameters.declared(notebook(source))


def test_one_parameters_cell_is_required():
    with pytest.raises(ValueError, match="found 0"):
        parameters.declared(notebook("seed: int = 0", tagged=False))
    with pytest.raises(ValueError, match="found 2"):
        parameters.declared(notebook("seed: int = 0", "seed: int = 1"))


@pytest.mark.parametrize(
    "overrides",
    [
        {"seed": 3},
        {"rate": 1},
        {"rate": 0.1},
        {"name": ""},
        {"flag": True},
        {"ks": []},
        {"ks": [5]},
        {"limit": None},
        {"limit": 3},
        {"grid": {"b": 2}},
    ],
)
def test_overrides_of_the_declared_type_pass(overrides):
    assert parameters.validate(overrides, parameters.declared(notebook(CELL)), source="here") == overrides


@pytest.mark.parametrize(
    "overrides",
    [
        {"seed": "3"},
        {"seed": 3.0},
        {"seed": True},
        {"seed": None},
        {"rate": "fast"},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"name": 3},
        {"flag": 1},
        {"ks": 5},
        {"ks": ["5"]},
        {"ks": {"a": 1}},
        {"limit": "none"},
        {"grid": {"b": "x"}},
        {"grid": {1: 2.0}},
    ],
)
def test_overrides_of_another_type_are_refused_by_name(overrides):
    (name,) = overrides
    with pytest.raises(ValueError, match=rf"here: parameter {name} must be"):
        parameters.validate(overrides, parameters.declared(notebook(CELL)), source="here")


def test_an_unknown_name_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match=r"unknown parameter 'x=2;import os'.*seed, rate"):
        parameters.validate({"x=2;import os": 5}, parameters.declared(notebook(CELL)), source="here")


def test_override_files(tmp_path):
    path = tmp_path / "01_a.yaml"
    assert parameters.read_overrides(path) == {}
    path.write_text("")
    assert parameters.read_overrides(path) == {}
    path.write_text("seed: 3\nks: [1, 2]\n")
    assert parameters.read_overrides(path) == {"seed": 3, "ks": [1, 2]}
    for bad in ("seed: [1", "- a\n- b\n", "just text", "1: 2", "!!python/object/apply:os.system ['true']"):
        path.write_text(bad)
        with pytest.raises(ValueError, match=r"01_a\.yaml"):
            parameters.read_overrides(path)
