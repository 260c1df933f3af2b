"""The results contract: what is refused, what is written, and how a verdict comes about."""

import decimal
import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from helpers import results
from helpers.results import Row, published, rows
from helpers.runtime import paths

ROW = Row("SVC", "70/30", "accuracy", 0.97, 540, claim_id="hwd-svm-70-30", model="svm", seconds=0.2)
ROW = replace(ROW, train_images=1257, precision="float64")

TRAINED = {"train_images": 60_000, "passes": 8.0, "views": 5, "label_smoothing": 0.1, "precision": "float32"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITS_RESULTS_DIR", str(tmp_path))
    return tmp_path


def save(rows, **more):
    about = {"profile": "standard", "seed": 0, "question": "How good?", "answer": "Quite."} | more
    return results.save(about.pop("notebook", "02_test"), rows, **about)


def test_an_accuracy_gets_its_wilson_interval():
    # limits from solving the score equation for 524 of 540 by the quadratic formula
    z, n, p = 1.959963984540054, 540, 524 / 540
    centre, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    assert ROW.low == pytest.approx((centre - half) / (1 + z * z / n))
    assert ROW.high == pytest.approx((centre + half) / (1 + z * z / n))


def test_given_limits_are_kept_and_other_metrics_get_none():
    assert Row("a", "b", "accuracy", 0.9, 10, low=0.1, high=0.95).low == 0.1
    row = Row("a", "b", "seconds per epoch", 12.0, None)
    assert (row.low, row.high) == (None, None)


def test_numpy_numbers_become_plain_ones():
    row = Row("a", "b", "accuracy", np.float32(0.5), np.int64(10), seeds=np.int32(3), sd=np.float64(0.1))
    assert [type(value) for value in (row.value, row.n, row.seeds, row.sd)] == [float, int, int, float]


def test_accuracy_row_counts(folder):
    row = results.accuracy_row("a", [1, 2, 3], [1, 2, 2], split="s", model="svm", seconds=1)
    assert (row.value, row.n, row.model, row.seconds) == (pytest.approx(2 / 3), 3, "svm", 1.0)
    assert row.low == pytest.approx(0.2077, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"value": float("nan")}, "value"),
        ({"value": float("inf")}, "value"),
        ({"value": "0.97"}, "value"),
        ({"value": True}, "value"),
        ({"value": None}, "value"),
        ({"value": 97.0, "low": None, "high": None}, "value"),
        ({"n": 0}, "n must"),
        ({"n": -5}, "n must"),
        ({"n": 10.5}, "n must"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"sd": 0.1}, "sd"),
        ({"sd": float("inf"), "seeds": 3}, "sd"),
        ({"seeds": 0}, "seeds"),
        ({"mean": float("-inf")}, "mean"),
        ({"low": 0.98, "high": 0.99}, "low"),
        ({"low": 0.9, "high": None}, "low"),
        ({"system": ""}, "system"),
        ({"split": 3}, "split"),
        ({"model": ""}, "model"),
        ({"parameters": 1.5}, "parameters"),
        ({"train_images": 0.5}, "train_images"),
        ({"passes": -1}, "passes"),
        ({"views": 0}, "views"),
        ({"label_smoothing": float("nan")}, "label_smoothing"),
        ({"precision": ""}, "precision"),
        ({"seen": 1.1}, "seen"),
        ({"short_budget": "yes"}, "short_budget"),
        ({"instead": None}, "instead"),
    ],
)
def test_a_row_refuses(changes, named):
    with pytest.raises(ValueError, match=named):
        replace(ROW, **changes)


@pytest.mark.parametrize(
    ("rows", "more", "named"),
    [
        ([replace(ROW, claim_id="hwd-svm-70-31")], {}, "claim_id"),
        ([ROW, ROW], {}, "claim_id"),
        ([], {}, "rows"),
        ([{"system": "a"}], {}, "rows"),
        ([replace(ROW, train_images=None)], {}, "train_images of SVC"),
        ([replace(ROW, precision=None)], {}, "precision of SVC"),
        ([replace(ROW, parameters=5)], {}, "passes of SVC"),
        ([replace(ROW, parameters=5, passes=3)], {}, "label_smoothing of SVC"),
        ([ROW], {"answer": " "}, "answer"),
        ([ROW], {"question": None}, "question"),
        ([ROW], {"profile": ""}, "profile"),
        ([ROW], {"seed": 0.5}, "seed"),
        ([ROW], {"notebook": "../evil"}, "notebook"),
    ],
)
def test_save_refuses_and_leaves_the_earlier_file(folder, rows, more, named):
    path = save([ROW])
    before = path.read_bytes()
    with pytest.raises(ValueError, match=named):
        save(rows, **more)
    assert path.read_bytes() == before
    assert [one.name for one in folder.iterdir()] == ["02_test.json"]


def test_what_was_saved_is_what_is_loaded(folder):
    other = Row(
        "MLP", "test", "accuracy", 0.98, 10000, seeds=5, mean=0.98, sd=0.001, parameters=89610, note="é", **TRAINED
    )
    path = save([ROW, other], seed=7)
    assert path == folder / "02_test.json"
    report = results.load("02_test", directory=folder)
    assert report.rows == (ROW, other)
    assert (report.seed, report.profile, report.question, report.answer) == (7, "standard", "How good?", "Quite.")
    assert results.load_all(folder) == [report]


def test_results_by_hand_do_not_touch_the_committed_ones(monkeypatch):
    monkeypatch.delenv("DIGITS_RESULTS_DIR", raising=False)
    assert paths.results_directory() != paths.RESULTS


def test_a_failed_write_leaves_the_earlier_file_and_no_litter(folder, monkeypatch):
    path = save([ROW])
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="disk is full"):
        save([replace(ROW, value=0.5, low=None, high=None)])
    assert path.read_bytes() == before
    assert [one.name for one in folder.iterdir()] == ["02_test.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(schema=99),
        lambda d: d.pop("answer"),
        lambda d: d.update(surprise=1),
        lambda d: d["rows"][0].update(surprise=1),
        lambda d: d["rows"][0].update(value=float("nan")),
        lambda d: d["rows"][0].update(n=0),
        lambda d: d["rows"][0].update(claim_id="nobody"),
        lambda d: d["rows"][0].pop("split"),
        lambda d: d.update(rows=[]),
    ],
)
def test_load_refuses_what_does_not_fit(folder, spoil):
    path = save([ROW])
    document = json.loads(path.read_text())
    spoil(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"02_test\.json is not a results file"):
        results.load("02_test", directory=folder)


def test_claims_are_whole():
    claims = results.claims()
    assert claims.index.is_unique
    assert len(claims) == len(paths.CLAIMS.read_text().splitlines()) - 1
    assert claims.loc["hwd-svm-70-30", ["value", "n"]].tolist() == [0.97, 540]
    assert pd.isna(claims.loc["nf264-production", "n"])
    shares = claims[claims["metric"] == "accuracy"]["value"]
    assert shares.between(0, 1).all()


@pytest.mark.parametrize(
    ("value", "word"), [(0.97, "reproduced"), (0.985, "reproduced"), (0.9999, "higher"), (0.93, "lower")]
)
def test_verdict_follows_the_interval(value, word):
    row = Row("SVC", "s", "accuracy", value, 540, claim_id="hwd-svm-70-30")
    one = results.verdict(row, results.claims().loc["hwd-svm-70-30"])
    assert one.verdict == word
    assert (one.low <= 0 <= one.high) == (word == "reproduced")
    assert one.difference == pytest.approx(value - 0.97)


def errors_row(errors, **more):
    return Row("ours", "60000/10000", "accuracy", 1 - errors / 10_000, 10_000, **more)


@pytest.mark.parametrize(
    ("claim_id", "errors", "word"),
    [
        ("hdr-cnn", 79, "undecided"),  # 60 published: from so many shared ones on they differ
        ("hdr-cnn", 60, "reproduced"),  # 55 to 65 print as 99.4%: five more at most, whatever is shared
        ("hdr-cnn", 200, "lower"),
        ("hdr-cnn", 20, "higher"),
        ("hdr-knn-5", 312, "reproduced"),  # as many
        ("hdr-knn-5", 500, "lower"),
    ],
)
def test_on_the_same_images_mcnemar_decides_for_every_overlap(claim_id, errors, word):
    claim = results.claims().loc[claim_id]
    one = results.verdict(errors_row(errors), claim)
    assert (one.verdict, one.same_images) == (word, True)
    # Oracle: exact two-sided binomial p-values over every overlap and every number of mistakes that is so printed.
    decimals = len(str(claim["value"]).split(".")[1])
    printed = [w for w in range(10_001) if abs(1 - w / 10_000 - claim["value"]) <= 0.5 * 10**-decimals + 1e-9]
    assert round(10_000 * (1 - claim["value"])) in printed
    every = set()
    for theirs in (printed[0], printed[-1]):
        for shared in {0, 1, min(theirs, errors) // 2, min(theirs, errors)}:
            a, b = theirs - shared, errors - shared
            every.add(stats.binomtest(a, a + b).pvalue < 0.05 if a + b else False)
    assert every == {"undecided": {True, False}, "reproduced": {False}}.get(word, {True})
    assert (one.low <= 0 <= one.high) == (word in ("undecided", "reproduced"))


def test_an_undecided_verdict_says_how_many_shared_mistakes_would_decide():
    one = results.verdict(errors_row(79), results.claims().loc["hdr-cnn"])
    assert "79 mistakes against 55 to 65" in one.reason
    told = re.findall(r"from (\d+) shared ones on if(?: theirs are)? (\d+)", one.reason)
    assert [int(theirs) for _, theirs in told] == [55, 65], "both ends of what is printed as 99.4%"
    for needed, theirs in ((int(needed), int(theirs)) for needed, theirs in told):
        p = [stats.binomtest(theirs - shared, theirs + 79 - 2 * shared).pvalue for shared in (needed - 1, needed)]
        assert p[1] < 0.05
        assert needed == 0 or p[0] >= 0.05
    single = results.verdict(errors_row(250), results.claims().loc["hdr-mlp-keras"])  # 97.72% is 228 and nothing else
    (needed,) = re.findall(r"250 mistakes against 228 .* from (\d+) shared ones on$", single.reason)
    p = [stats.binomtest(228 - shared, 478 - 2 * shared).pvalue for shared in (int(needed) - 1, int(needed))]
    assert p[0] >= 0.05 > p[1]


def test_the_limits_hold_for_every_number_that_is_printed_so():
    one = results.verdict(errors_row(79), results.claims().loc["hdr-cnn"])
    ends = [stats.binomtest(w, w + 79).proportion_ci(0.95, method="exact") for w in (55, 65)]
    lows, highs = zip(*[
        [(2 * limit - 1) * (w + 79) / 10_000 for limit in (end.low, end.high)]
        for w, end in zip((55, 65), ends, strict=True)
    ], strict=True)  # fmt: skip
    assert (one.low, one.high) == pytest.approx((min(lows), max(highs)))
    row = Row("SVC", "s", "accuracy", 0.97, 540)
    found = results.verdict(row, results.claims().loc["hwd-svm-70-30"])  # 97% of 540: 522 to 526
    ours = proportion_confint(524, 540, method="wilson")
    for right, limit in ((526, found.low), (522, found.high)):
        theirs, gap = proportion_confint(right, 540, method="wilson"), 524 / 540 - right / 540
        if right == 526:
            assert limit == pytest.approx(gap - math.hypot(524 / 540 - ours[0], theirs[1] - right / 540))
        else:
            assert limit == pytest.approx(gap + math.hypot(ours[1] - 524 / 540, right / 540 - theirs[0]))


@pytest.mark.parametrize(
    ("printed", "n", "how"),
    [
        *(("0.994", 10_000, "rounded"), ("0.97", 540, "rounded"), ("0.9960", 4200, "rounded")),
        ("0.98757", 7000, "rounded"),
        *(("0.99309", 4200, "cut off"), ("0.99380", 4200, "cut off"), ("0.97240", 4200, "padded")),
        *(("1", 1, "rounded"), ("0.99214", 70_000, "rounded")),
    ],
)  # fmt: skip
def test_printed_digits_say_how_many_were_right(printed, n, how):
    # Oracle: every count, written out and compared as text.
    places = len(printed.partition(".")[2])
    exact = [decimal.Decimal(k) / n for k in range(n + 1)]

    def written(rounding, text):
        unit = decimal.Decimal(1).scaleb(-len(text.partition(".")[2]))
        return [k for k, share in enumerate(exact) if str(share.quantize(unit, rounding)) == text]

    rounded = written(decimal.ROUND_HALF_UP, printed) if places else [1]
    expected = {
        "rounded": rounded,
        "cut off": written(decimal.ROUND_DOWN, printed),
        "padded": written(decimal.ROUND_HALF_UP, printed.rstrip("0")),
    }[how]
    assert expected
    assert (how == "rounded") == bool(rounded)
    found = published.correct_counts(printed, n)
    # A share half way between two printed numbers may be either: rounding differs there from program to program.
    assert set(expected) <= set(found)
    assert all(abs(exact[k] - decimal.Decimal(printed)) <= decimal.Decimal("0.5").scaleb(-places) for k in found) or (
        how != "rounded"
    )
    assert len(found) - len(expected) in (0, 1)


def test_a_claim_keeps_the_digits_of_its_account():
    claims = results.claims()
    assert claims.loc["hwd-new-75", "printed"] == "0.9960"
    assert claims["printed"].astype(float).tolist() == claims["value"].tolist()
    assert [published.in_percent(text) for text in ("0.994", "0.9960", "0.97", "1", "0.98757")] == [
        *("99.4%", "99.60%", "97%", "100%", "98.757%")
    ]


def test_images_that_an_account_does_not_name_are_not_the_same():
    claim = results.claims().loc["hdr-resnet34"]
    assert "which images" in claim["unsaid"]
    one = results.verdict(errors_row(49), claim)
    assert (one.verdict, one.same_images) == ("reproduced", False)
    ours, theirs = (proportion_confint(10_000 - wrong, 10_000, method="wilson") for wrong in (49, 69))
    assert one.low == pytest.approx(0.002 - math.hypot(0.9951 - ours[0], theirs[1] - 0.9931))


def test_another_network_is_not_judged():
    row = errors_row(40, claim_id="hdr-cnn", instead="another network")
    one = results.verdict(row, results.claims().loc["hdr-cnn"])
    assert (one.verdict, one.reason, one.low, one.difference) == ("not comparable", "another network", None, None)
    unsized = results.verdict(row, results.claims().loc["nf264-production"])
    assert unsized.reason == "another network; the source does not say on how many images"
    assert results.against_claims([row])["reason"].tolist() == ["another network"]


def test_folds_of_all_images_read_the_same_images():
    claim = results.claims().loc["nf264-cv-mean"]
    mine = [Row("deep", "nf264 folds", "accuracy", 1 - wrong / 70_000, 70_000) for wrong in (550, 539, 900)]
    found = [results.verdict(row, claim) for row in mine]
    assert [one.verdict for one in found] == ["reproduced", "undecided", "lower"]
    assert all(one.same_images for one in found)


def test_what_is_only_drawn_alike_is_compared_by_an_interval():
    row = Row("deep", "56000/7000/7000", "accuracy", 0.9899, 7000)
    one = results.verdict(row, results.claims().loc["nf264-cnn-deep"])
    assert (one.verdict, one.same_images) == ("reproduced", False)


def test_the_same_difference_on_more_images_is_no_longer_chance():
    claim = results.claims().loc["hdr-knn-5"]
    words = [results.verdict(Row("k", "s", "accuracy", 0.962, n, None), claim).verdict for n in (500, 10000)]
    assert words == ["reproduced", "lower"]


@pytest.mark.parametrize(
    ("row", "claim_id", "reason"),
    [
        (Row("s", "s", "correct", 1, 1), "hwd-svm-last", "1 image"),
        (Row("s", "s", "accuracy", 1, 1), "hwd-svm-last", "measure accuracy"),
        (Row("s", "s", "accuracy", 0.99, 7000), "nf264-production", "does not say"),
        (Row("s", "s", "f1", 0.97, 540), "hwd-svm-70-30", "measure f1"),
        (Row("s", "s", "accuracy", 0.97, 29), "hwd-svm-70-30", "29 images"),
        (Row("s", "s", "accuracy", 0.97, None), "hwd-svm-70-30", "our row"),
        (Row("s", "s", "accuracy", 0.97, 540, note="300 steps", short_budget=True), "hwd-svm-70-30", "300 steps"),
    ],
)
def test_not_comparable_says_why(row, claim_id, reason):
    one = results.verdict(row, results.claims().loc[claim_id])
    assert one.verdict == "not comparable"
    assert reason in one.reason
    assert one.low is None


def test_thirty_images_are_just_enough_for_a_verdict():
    claim = results.claims().loc["hwd-svm-70-30"]
    few, enough = (results.verdict(Row("s", "s", "accuracy", (n - 1) / n, n), claim) for n in (29, 30))
    assert (few.verdict, enough.verdict) == ("not comparable", "reproduced")
    assert enough.difference == pytest.approx(29 / 30 - 0.97)


def test_against_claims_shows_both_numbers_and_leaves_out_rows_without_a_claim():
    frame = results.against_claims([ROW, Row("x", "s", "accuracy", 0.5, 100)])
    claim = "SVC on sklearn digits, 70/30 split (1257 train / 540 test)"
    assert list(frame.index) == [claim], "in words: a reader knows no identifiers"
    assert frame.loc[claim, "published"] == "97% of 540"
    assert frame.loc[claim, "verdict"] == "reproduced"
    assert frame.loc[claim, "assumed"] == results.claims().loc["hwd-svm-70-30", "unsaid"]
    with pytest.raises(ValueError, match="claim_id"):
        results.against_claims([replace(ROW, claim_id="nobody")])
    assert results.against_claims([]).empty


def test_rows_that_differ_in_how_they_came_about_say_so_beside_the_claims():
    one = errors_row(60, claim_id="hdr-cnn", parameters=5, **TRAINED)
    two = errors_row(300, claim_id="hdr-knn-5", parameters=5, **TRAINED)
    assert not {"passes", "training images"} & set(results.against_claims([one, two]))
    frame = results.against_claims([one, replace(two, passes=3.0, train_images=55_000)])
    assert frame["passes"].tolist() == [8.0, 3.0]
    assert frame["training images"].tolist() == [60_000, 55_000]
    assert not {"label smoothing", "arithmetic", "views of a test image"} & set(frame)
    assert [str(each) for each in frame["training images"]] == ["60000", "55000"], "whole numbers stay whole"


def test_numbers_in_the_notes_of_claims():
    assert results.noted("nf264-tree-best-val", "gini at depth") == 17
    assert results.noted("hdr-mlp-sklearn", "train accuracy") == 0.898
    printed = results.noted_series("nf264-knn-val-k1")
    assert list(printed) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30]
    assert (printed[2], printed[30]) == (0.9461, 0.9411)
    with pytest.raises(ValueError, match="no number after 'depth of'"):
        results.noted("nf264-tree-best-val", "depth of")


def test_misread_images_come_back_as_they_were():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 10, 300)
    answers = np.where(rng.random(300) < 0.2, (labels + 1) % 10, labels)
    row = results.accuracy_row("a", labels, answers, split="s")
    digest, right = rows.read_rightly(row)
    np.testing.assert_array_equal(right, labels == answers)
    assert rows.read_rightly(results.accuracy_row("b", labels, labels, split="s"))[0] == digest
    assert rows.read_rightly(results.accuracy_row("c", labels[::-1], labels[::-1], split="s"))[0] != digest
    assert rows.read_rightly(results.accuracy_row("d", np.zeros(1500, int), np.ones(1500), split="s")) is None
    for n, told in ((999, 1 + 999), (1000, 1 + 1000), (1001, 0)):  # the digest, and a position for each
        assert len(results.accuracy_row("e", np.zeros(n, int), np.ones(n), split="s").misread.split()) == told


@pytest.mark.parametrize(
    "misread",
    ["7", "0123456789abcdef 3", "0123456789abcdef: 3 3", "0123456789abcdef: 4 3", "0123456789abcdef: 10",
     "0123456789abcdef: 3", "0123456789abcdef: -1 3", "0123456789abcdef: 3 x"],
)  # fmt: skip
def test_misread_images_that_cannot_be_are_refused(misread):
    with pytest.raises(ValueError, match="misread must be"):
        Row("a", "s", "accuracy", 0.8, 10, misread=misread)
    Row("a", "s", "accuracy", 0.8, 10, misread="0123456789abcdef: 3 4")


# Data other than MNIST


def test_the_name_of_other_digits_is_written_and_read(folder):
    path = save([ROW], data="mine.npz")
    assert json.loads(path.read_text())["data"] == "mine.npz"
    assert results.load("02_test", directory=folder).data == "mine.npz"


def test_mnist_needs_no_name(folder):
    path = save([ROW])
    assert "data" not in json.loads(path.read_text()), "committed results stay as they are, byte for byte"
    assert path.read_bytes() == save([ROW], data="MNIST").read_bytes()
    assert results.load("02_test", directory=folder).data == "MNIST"


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_name_that_is_none_is_refused(folder, name):
    with pytest.raises(ValueError, match="data must be a non-empty string"):
        save([ROW], data=name)


def test_no_claim_is_judged_on_other_digits():
    judged, (other,) = results.verdicts([ROW])[0], results.verdicts([ROW], data="mine.npz")
    assert judged.verdict != "not comparable"
    assert (other.verdict, other.reason) == ("not comparable", "other data: mine.npz")
    assert (other.ours, other.published, other.difference, other.low) == (judged.ours, judged.published, None, None)
    table = results.against_claims([ROW], data="mine.npz")
    assert table[["verdict", "reason", "difference", "interval"]].iloc[0].tolist() == [
        "not comparable", "other data: mine.npz", "–", "–"
    ]  # fmt: skip
