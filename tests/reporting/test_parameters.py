"""Parameters cells: what is declared, and what overrides are refused before anything runs."""

import itertools
import shlex

import nbformat
import papermill.cli
import pytest
import yaml

from helpers.reporting.run import parameters, strict_yaml

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
        ("rate: float = 1.0\nseed: int = 'x'", "cell 2, line 2: seed = 'x' is not of its type int"),
        ("seed: itn = 1", "cell 2, line 1: seed: got the type itn; int, float, str"),
        ("ks: list[itn] = [1]", "ks: got the type itn"),
        ("seed: int = (1 +", "was never closed"),
    ],
)
def test_a_default_that_is_not_of_its_type_is_named_by_its_line(source, message):
    first = nbformat.v4.new_code_cell("import os")
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    with pytest.raises((ValueError, SyntaxError), match=message):
        parameters.declared(nbformat.v4.new_notebook(cells=[first, cell]))


def test_a_notebook_needs_no_parameters_and_a_parameter_needs_no_type():
    assert parameters.declared(notebook("seed: int = 0", tagged=False)) == {}
    found = parameters.declared(notebook("seed = 3\nrate = 0.5\nks = [1]\nname = None\nn = len(ks)\nx: int\nimport os"))
    assert {name: one.default for name, one in found.items()} == {"seed": 3, "rate": 0.5, "ks": [1], "name": None}
    assert parameters.validate({"seed": 4, "rate": 2, "name": "x"}, found, source="here")
    for wrong in ({"seed": "4"}, {"seed": 0.5}, {"ks": 3}, {"n": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            parameters.validate(wrong, found, source="here")


def test_two_parameters_cells_are_refused():
    with pytest.raises(ValueError, match="cell 2, line 1: tagged 'parameters', and so is cell 1"):
        parameters.declared(notebook("seed: int = 0", "seed: int = 1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1e-3", 0.001),
        ("a: 1E3", 1000.0),
        ("a: -.5", -0.5),
        ("a: 2.", 2.0),
        ("a: 1.5e+3", 1500.0),
        ("a: 010", 10),
        ("a: 1_000", 1000),
        ("a: -7", -7),
        ("a: 1:30", "1:30"),
        ("a: '1e-3'", "1e-3"),
        ("a: e3", "e3"),
        ("a: .inf", float("inf")),
        ("a: [1, 2.0, x, true, null]", [1, 2.0, "x", True, None]),
    ],
)
def test_numbers_in_yaml_are_what_people_mean(text, expected):
    (found,) = strict_yaml.load(text).values()
    assert found == expected
    assert type(found) is type(expected)


NINE = [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in itertools.pairwise("abcdefgh")]
BOMB = "a: &a [x, x, x]\n" + "".join(NINE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2", "line 2: got 'seed' twice"),
        ("fixed: {a: 1, a: 2}", "line 1: got 'a' twice"),
        (BOMB, "line 2: got the alias"),
        ("a: &a [*a]", "alias"),
        ("[" * 100_000, "."),
        ("a: 1__0_", "."),
        ("a: \0", "."),
        ("? [a]\n: 1", "."),
    ],
)
def test_yaml_that_is_valid_and_not_meant_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        strict_yaml.load(text)


@pytest.mark.parametrize(
    "overrides",
    [
        {"ks": [1.0, 10.0], "name": 'it\'s a "name"; $HOME `x`', "rate": 1e-05, "limit": None, "flag": True},
        {"name": "two\nlines: - {a}", "grid": {"a": 1.5}, "ks": []},
        {"name": "1e-3", "rate": 5e-324},
    ],
)
def test_papermill_takes_the_printed_option_for_the_same_values(overrides):
    """papermill itself reads the command, which a shell has split; nothing is executed."""
    option, text = shlex.split(parameters.as_option(overrides))
    assert option == "-y"
    assert yaml.load(text, Loader=papermill.cli.NoDatesSafeLoader) == overrides
    assert parameters.as_option({}) == ""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("seed", "7", 7),
        ("ks", "[1, 10]", [1, 10]),
        ("rate", "1e-3", 0.001),
        ("name", "7", "7"),
        ("name", "no", "no"),
        ("name", "a: b: c", "a: b: c"),
        ("limit", "null", None),
        ("flag", "true", True),
        ("seed", "many", "many"),
    ],
)
def test_what_a_person_types_is_read_by_its_type(name, text, expected):
    assert parameters.given(text, parameters.declared(notebook(CELL))[name]) == expected


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
