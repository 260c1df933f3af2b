"""The record of the second program, and what is made of it, against numbers worked out by hand."""

import ast
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.experiments.smallest_and_fastest import candidates, second_program
from helpers.runtime import paths

SMALL = {"passes": 2, "warp": 0.5, "smoothing": 0.0, "weights": 100, "held out": 200}


def written(tmp_path, **changes):
    trainings = {
        "base": {**SMALL, "misread 1": [10, 12, 14], "misread 5": [8, 10, 12], "misread 13": [8, 8, 8]},
        "longer": {**SMALL, "passes": 4, "misread 1": [10, 10, 10], "misread 5": [6, 9, 9]},
    }
    document = {"parts": {"makes": trainings}, "device": "a card", "finished": "2026-01-02"} | changes
    path = tmp_path / "record.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_scores_are_shares_of_the_held_out_images(tmp_path):
    record = second_program.load(written(tmp_path))
    assert (record.device, record.finished) == ("a card", "2026-01-02")
    part = record.parts["makes"]
    assert part.scores().to_dict("list") == {"base": [96, 95, 94], "longer": [97, 95.5, 95.5]}
    assert part.scores(views=13).columns.tolist() == ["base"], "who was not asked in so many views is not there"
    asked = part.conditions()["longer"]
    assert (asked.split, asked.train_images, asked.passes, asked.views) == ("200 held-out images", 59_800, 4, 5)
    assert part.about.loc["longer"].to_dict() == {**{k: v for k, v in SMALL.items() if " " not in k}, "passes": 4} | {
        "held_out": 200
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


def test_two_programs_disagree_where_their_intervals_lie_apart():
    index = pd.Index(["a", "b", "only ours"], name="change")
    ours = pd.DataFrame({"gain": [0.0, 1, 5], "low": [-0.196, 0.9, 4], "high": [0.196, 1.1, 6]}, index)
    theirs = pd.DataFrame({"gain": [0.2, 3.0], "low": [0.004, 2.9], "high": [0.396, 3.1]}, index[:2])
    found = second_program.disagreement(ours, theirs)
    assert found.index.tolist() == ["a", "b"]
    assert found.loc["a", "p"] == pytest.approx(2 * stats.norm.sf(0.2 / (0.1 * 2**0.5)), rel=1e-3)
    assert found.loc["b", "p"] < 1e-6


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"parts": {"a": {"b": {}}}, "device": "", "finished": ""}', '{"parts": 3}']
)
def test_a_damaged_record_is_named(tmp_path, text):
    path = tmp_path / "damaged.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"damaged\.json is not a record of the second program"):
        second_program.load(path)


def test_the_committed_record_is_of_trainings_that_the_program_lists():
    """Read without running it: PyTorch, which it needs, is no part of the environment."""
    names = {one.value for one in ast.walk(_program()) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    record = second_program.load()
    for part in record.parts.values():
        assert set(part.about.index) <= names
        for views, wrong in part.misread.items():
            assert wrong.notna().all(axis=None), f"every seed of every training was asked in {views} views"
            assert ((wrong >= 0) & (wrong < part.about.loc[wrong.columns, "held_out"] / 50)).all(axis=None)
    assert set(record.parts) == {"ingredients", "makes"}
    changes = record.parts["ingredients"].about.index
    assert len(changes) > 15
    assert set(candidates.CANDIDATES) & set(changes), "candidates go by the names that the series gives them"


def _program() -> ast.Module:
    return ast.parse((paths.ROOT / "benchmarks" / "second_program.py").read_text(encoding="utf-8"))
