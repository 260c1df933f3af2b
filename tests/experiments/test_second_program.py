"""The record of the second program, and what is made of it, against numbers worked out by hand."""

import ast
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.experiments.smallest_and_fastest import candidates, second_program
from helpers.models import architectures
from helpers.runtime import paths

SMALL = {"passes": 2, "warp": 0.5, "smoothing": 0.0, "weights": 100, "held out": 200}
SMALL |= {"device": "a card", "finished": "2026-01-02"}


def written(tmp_path):
    trainings = {
        "base": {**SMALL, "misread 1": [10, 12, 14], "misread 5": [8, 10, 12], "misread 13": [8, 8, 8]},
        "longer": {**SMALL, "passes": 4, "misread 1": [10, 10, 10], "misread 5": [6, 9, 9]},
    }
    document = {"parts": {"makes": trainings}}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_scores_are_shares_of_the_held_out_images(tmp_path):
    record = second_program.load(written(tmp_path))
    assert record.device == "a card"
    part = record.parts["makes"]
    assert part.scores().to_dict("list") == {"base": [96, 95, 94], "longer": [97, 95.5, 95.5]}
    assert part.scores(views=13).columns.tolist() == ["base"], "who was not asked in so many views is not there"
    asked = part.conditions()["longer"]
    assert (asked.split, asked.train_images, asked.passes, asked.views) == ("200 held-out images", 59_800, 4, 5)
    assert part.about.loc["longer"].to_dict() == {**{k: v for k, v in SMALL.items() if " " not in k}, "passes": 4} | {
        "held_out": 200,
    }


def test_what_a_make_gains_is_taken_seed_by_seed(tmp_path):
    part = second_program.load(written(tmp_path)).parts["makes"]
    table = second_program.makes(part, {"base": "base", "longer": "base"})
    assert table["mean"].tolist() == pytest.approx([0.95, 0.96])
    assert np.isnan(table.loc["base", "gain"]), "nothing is compared with itself"
    gain = [1, 0.5, 1.5]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(gain), scale=stats.sem(gain))
    assert table.loc["longer", ["gain", "low", "high"]].tolist() == pytest.approx([1, low, high])
    assert table.loc["longer", ["passes", "warp", "seeds"]].tolist() == [4, 0.5, 3]


def test_two_programs_stand_side_by_side_in_words():
    columns = {"gain": [-0.0304, 0.5], "low": [-0.05, 0.4], "high": [-0.01, 0.6], "seeds": [20, 20], "p": [1e-5, 1.0]}
    theirs = pd.DataFrame(columns, index=["a", "b"])
    ours = pd.DataFrame({**columns, "seeds": [3, 2]}, index=["c", "b"])
    found = second_program.side_by_side(theirs, ours)
    assert found.index.tolist() == ["a", "b", "c"]
    assert found.loc["a", "second program"] == "−0.030 (−0.050 to −0.010)"
    assert found["this series"].tolist() == ["", "+0.500 (+0.400 to +0.600)", "−0.030 (−0.050 to −0.010)"]
    assert found["p"].tolist() == ["< 0.001", "1", ""]
    assert np.isnan(found["seeds"]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"parts": {"a": {"b": {}}}, "device": "", "finished": ""}', '{"parts": 3}']
)
def test_a_damaged_record_is_named(tmp_path, text):
    path = tmp_path / "damaged.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"damaged\.json is not a record of the second program"):
        second_program.load(path)


def test_fewer_seeds_of_one_training_are_compared_where_both_have_them(tmp_path):
    path = written(tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["parts"]["makes"]["longer"]["misread 5"] = [6, 9]
    path.write_text(json.dumps(document), encoding="utf-8")
    part = second_program.load(path).parts["makes"]
    row = second_program.makes(part, {"longer": "base"}).loc["longer"]
    assert (row["seeds"], row["gain"]) == (2, pytest.approx(0.75))


def test_the_committed_record_is_of_trainings_that_the_program_lists():
    """Read without running it: PyTorch, which it needs, is no part of the environment."""
    record = second_program.load()
    listed = {"ingredients": _keys("INGREDIENTS") | set(candidates.CANDIDATES), "makes": _keys("MAKES")}
    assert set(record.parts) == set(listed)
    for name, seeds in {"ingredients": 20, "makes": 12}.items():
        part = record.parts[name]
        assert set(part.about.index) <= listed[name]
        for wrong in part.misread.values():
            assert len(wrong) == seeds
            assert wrong.notna().all(axis=None)
            assert ((wrong >= 0) & (wrong < part.about.loc[wrong.columns, "held_out"] / 50)).all(axis=None)
    assert len(record.parts["ingredients"].about) > 15


@pytest.mark.parametrize(
    ("part", "name", "model", "options"),
    [
        ("ingredients", "final recipe", "fast_e", {}),
        ("ingredients", "squeeze and excitation", "fast_se", {}),
        ("ingredients", "wider last layer", "fast_small", {"filters": (32, 32, 64, 64, 192)}),
        ("makes", "the narrower end, full warps, twice the passes", "fast_small", {"filters": (16, 16, 24, 32, 36)}),
        ("makes", "16 · 16 · 24 · 24 · 48", "fast_small", {"filters": (16, 16, 24, 24, 48)}),
    ],
)
def test_its_networks_have_as_many_weights_as_those_of_the_series(part, name, model, options):
    built = architectures.build(model, options)
    assert second_program.load().parts[part].about.loc[name, "weights"] == built.count_params()


def _keys(constant: str) -> set[str]:
    """Return the keys in plain sight of a dictionary of the program."""
    tree = ast.parse((paths.ROOT / "benchmarks" / "second_program.py").read_text(encoding="utf-8"))
    (made,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant
    )
    return {key.value for key in made.keys if key is not None}
