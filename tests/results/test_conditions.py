"""Like with like: where conditions differ it is said, and which are the same is said too."""

from dataclasses import replace

import pytest

from helpers.results import Conditions, Row, conditions

ONE = Conditions("60000/10000", 60_000, 8.0, 5, 0.1, "mixed_bfloat16")


def test_rows_carry_their_conditions():
    about = {name: value for name, value in vars(ONE).items() if name != "split"}
    assert conditions.of(Row("net", ONE.split, "accuracy", 0.9, 10_000, **about)) == ONE
    assert conditions.of(ONE) is ONE


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("split", "55000/5000/10000", "55000/5000/10000 (b)"),
        ("train_images", 55_000, "training images: 60,000 (a, c); 55,000 (b)"),
        ("passes", 1.0, "passes: 8 (a, c); 1 (b)"),
        ("views", 1, "views of a test image: 5 (a, c); 1 (b)"),
        ("label_smoothing", 0.0, "label smoothing: 0.1 (a, c); 0 (b)"),
        ("precision", "float32", "32-bit arithmetic (b)"),
        ("passes", None, "none (b)"),
    ],
)
def test_every_difference_is_found_and_named_and_nothing_else(field, value, words):
    compared = {"a": ONE, "b": replace(ONE, **{field: value}), "c": ONE}
    assert conditions.differing(compared) == {field: {getattr(ONE, field): ["a", "c"], value: ["b"]}}
    said = conditions.in_words(compared)
    same, _, apart = said.partition("Different ")
    assert words in apart
    assert "(a, c)" in apart
    assert apart.count("(b)") == 1
    assert same.startswith("All: ")
    column = conditions.columns(compared).iloc[:, 0]
    if field == "precision":
        assert list(column) == ["16-bit", "32-bit", "16-bit"]
    else:
        assert list(column[["a", "c"]]) == [getattr(ONE, field)] * 2
        assert column["b"] == value or (value is None and column.isna()["b"])


def test_where_all_agree_nothing_is_called_different():
    assert conditions.differing({"a": ONE, "b": ONE}) == {}
    said = conditions.in_words({"a": ONE, "b": ONE})
    assert said == (
        "All: 60000/10000, 60,000 training images, 8 passes, 5 views of a test image, label smoothing 0.1, "
        "16-bit arithmetic (bfloat16)."
    )
    assert conditions.columns({"a": ONE, "b": ONE}).shape == (2, 0)
    with pytest.raises(ValueError, match="compared"):
        conditions.in_words({})


def test_where_most_agree_only_the_others_are_named():
    said = conditions.in_words({"a": ONE, "b": ONE, "c": ONE, "d": replace(ONE, passes=1.0)})
    assert said.endswith("Different passes: 1 (d); all others 8.")
    said = conditions.in_words({"validation": replace(ONE, split="validation"), "test": replace(ONE, split="test")})
    assert said.endswith("Different images: validation; test.")


def test_what_is_unknown_is_left_out():
    assert ONE.words() == (
        "60,000 training images, 8 passes, 5 views of a test image, label smoothing 0.1, 16-bit arithmetic (bfloat16)"
    )
    assert Conditions("s", 7, precision="float64").words(split=True) == ("s, 7 training images, 64-bit arithmetic"), (
        "of neighbours and trees nobody expects several views"
    )
    said = conditions.in_words({"a": Conditions("s", 7), "b": Conditions("s", 9)})
    assert said == "All: s. Different training images: 7 (a); 9 (b)."


def test_in_brief_only_the_unusual_is_said():
    assert ONE.words(brief=True) == "60,000 training images, 8 passes, 5 views, smoothing 0.1, 16-bit"
    assert Conditions("s", 7, 1.0, 1, 0.0, "float32").words(brief=True) == "7 training images, 1 pass, 32-bit"
    assert Conditions("s", 7, precision="float64").words(brief=True) == "7 training images, 64-bit"
