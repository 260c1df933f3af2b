"""Comparing two moments: noise by independent oracles, rows and networks that meet, git read without a checkout."""

import base64
import json
import subprocess
import zlib

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from test_pages import Visit, luminance

from helpers import results
from helpers.data import load
from helpers.reporting import __main__ as command
from helpers.reporting.compare import compare, differences, flips, revision
from helpers.reporting.run.terminal import Terminal
from helpers.results import published
from helpers.results.rows import Row
from helpers.runtime import paths

PWN = "</script><script>window.__pwned=1</script><img src=x onerror=window.__pwned=1>"
CLAIMS = """claim_id,source,system,split,metric,value,n,note
knn,A project,kNN,test,accuracy,0.90,1000,
tree,A project,tree,test,accuracy,0.80,1000,
net,A project,network,test,accuracy,0.95,1000,
"""


def row(value, *, system="kNN", split="test", metric="accuracy", n=1000, **more):
    return Row(system, split, metric, value, n, **more)


def snapshot(*rows, notebook="01_one", answer="So.", claims=CLAIMS, records=None, name="then"):
    document = {"schema": 1, "notebook": notebook, "profile": "standard", "seed": 0, "question": "?", "answer": answer}
    document["rows"] = [{f: getattr(one, f) for f in Row.__dataclass_fields__} for one in rows]
    files = {
        "data/claims.csv": claims.encode(),
        f"reports/results/{notebook}.json": json.dumps(document).encode(),
    }
    for stem, record in (records or {}).items():
        files[f"reports/runs/{stem}.json"] = json.dumps(record).encode()
    return revision.read(name, files)


def packed(steps):
    """Pack steps from the label as a run record does, with full confidence."""
    raw = np.asarray(steps, np.uint8).tobytes() + np.full(len(steps), 200, np.uint8).tobytes()
    return base64.b85encode(zlib.compress(raw, 9)).decode()


def record(steps, validation=(), **spec):
    spec = {"model": "linear", "seed": 0, "split": "0" * 16, "epochs": 3, **spec}
    return {"schema": 1, "spec": spec, "levels": 200, "test": packed(steps), "validation": packed(validation)}


# Noise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 0.001, 0.002, 0.004, 0.01, -0.003, -0.02])
@pytest.mark.parametrize(("seeds_a", "seeds_b"), [(3, 3), (5, 20)])
def test_seed_noise_is_welchs_test(shift, seeds_a, seeds_b):
    then = row(0.95, mean=0.95, sd=0.002, seeds=seeds_a)
    now = row(0.95 + shift, mean=0.95 + shift, sd=0.004, seeds=seeds_b)
    found = differences.judge("01", then, now)
    oracle = stats.ttest_ind_from_stats(0.95 + shift, 0.004, seeds_b, 0.95, 0.002, seeds_a, equal_var=False)
    assert found.yardstick == differences.SEEDS
    expected = "unchanged" if shift == 0 else "beyond noise" if oracle.pvalue < 0.05 else "within noise"
    assert found.judgement == expected
    # The interval ends where the test's p-value would be 0.05.
    df = (0.004**2 / seeds_b + 0.002**2 / seeds_a) ** 2 / (
        (0.004**2 / seeds_b) ** 2 / (seeds_b - 1) + (0.002**2 / seeds_a) ** 2 / (seeds_a - 1)
    )
    reach = stats.t.ppf(0.975, df) * np.sqrt(0.004**2 / seeds_b + 0.002**2 / seeds_a)
    assert (found.low, found.high) == pytest.approx((shift - reach, shift + reach))


def test_without_seeds_images_are_the_yardstick():
    for ours in (0.9, 0.91, 0.92, 0.93, 0.95, 0.86):
        found = differences.judge("01", row(0.9), row(ours))
        low, high = confint_proportions_2indep(round(1000 * ours), 1000, 900, 1000, method="newcomb", compare="diff")
        assert (found.low, found.high) == pytest.approx((low, high))
        assert found.yardstick == differences.IMAGES
        expected = "unchanged" if ours == 0.9 else "beyond noise" if low > 0 or high < 0 else "within noise"
        assert found.judgement == expected
    assert differences.judge("01", row(0.9), row(0.95)).direction == "higher"


def test_the_other_yardsticks():
    overlap = differences.judge(
        "01", row(3.0, metric="ms", low=2.0, high=4.0), row(3.5, metric="ms", low=2.5, high=4.5)
    )
    assert (overlap.yardstick, overlap.judgement) == (differences.OVERLAP, "within noise")
    apart = differences.judge("01", row(3.0, metric="ms", low=2.9, high=3.1), row(4.0, metric="ms", low=3.5, high=4.5))
    assert apart.judgement == "beyond noise"
    bare = differences.judge("01", row(3.0, metric="ms"), row(3.5, metric="ms"))
    assert (bare.yardstick, bare.judgement, bare.low) == (differences.NOTHING, "not judged", None)
    exact = differences.judge("01", row(0.9, mean=0.9, sd=0.0, seeds=3), row(0.901, mean=0.901, sd=0.0, seeds=3))
    assert exact.judgement == "beyond noise"
    one_sided = differences.judge("01", row(0.9), row(0.91, mean=0.91, sd=0.02, seeds=5))
    assert one_sided.judgement == "within noise"
    assert one_sided.yardstick == differences.SEEDS


# Rows and claims that meet ------------------------------------------------------------------------------------------


def test_rows_meet_by_claim_and_else_by_name_in_order():
    then = snapshot(row(0.90, claim_id="knn"), row(0.8, system="twin"), row(0.7, system="twin"), row(0.6, system="old"))
    now = snapshot(
        row(0.70, system="twin"),
        row(0.99, system="renamed", claim_id="knn"),
        row(0.72, system="twin"),
        row(0.5, system="new"),
    )
    found = differences.compare(then, now)
    pairs = {(one.then.system, one.then.value, one.now.system, one.now.value) for one in found.changes}
    assert pairs == {("kNN", 0.90, "renamed", 0.99), ("twin", 0.8, "twin", 0.7), ("twin", 0.7, "twin", 0.72)}
    assert [one.system for _, one in found.appeared] == ["new"]
    assert [one.system for _, one in found.gone] == ["old"]
    assert {one.now.system for one in found.judged("beyond noise")} == {"renamed", "twin"}


def test_verdicts_are_of_their_own_time():
    then = snapshot(row(0.9, claim_id="knn"), row(0.9, system="tree", claim_id="tree"))
    later = CLAIMS.replace("knn,A project,kNN,test,accuracy,0.90", "knn,A project,kNN,test,accuracy,0.97")
    now = snapshot(row(0.9, claim_id="knn"), claims=later)
    found = {one.claim_id: one for one in differences.compare(then, now).claims}
    assert (found["knn"].then.verdict, found["knn"].now.verdict) == ("reproduced", "lower")
    assert found["knn"].published == 0.97
    assert (found["tree"].then.verdict, found["tree"].now) == ("higher", None)
    assert found["tree"].changed
    assert (found["net"].then, found["net"].now, found["net"].changed) == (None, None, False)


def test_other_times_files_are_read_as_far_as_they_go():
    good = {"system": "s", "split": "t", "metric": "accuracy", "value": 0.5, "n": 10, "a_field_of_old": 1}
    document = {"schema": 0, "notebook": "a", "profile": "p", "seed": 0, "question": "q", "answer": "a", "rows": [good]}
    found = revision.read(
        "then",
        {
            "reports/results/a.json": json.dumps(document).encode(),
            "reports/results/b.json": b'{"rows": [',
            "reports/results/c.json": b"[]",
            "reports/runs/d.json": b'{"spec": 3}',
            "reports/results/.part.json": b"half",
            "data/claims.csv": b"\xff\xfe",
        },
    )
    assert found.reports["a"].rows[0].value == 0.5
    assert len(found.unreadable) == 4
    assert all("cannot be read" in one for one in found.unreadable)
    assert isinstance(found.claims, pd.DataFrame)


# Networks ---------------------------------------------------------------------------------------------------------


def test_flips_of_the_same_training_done_anew():
    then, now = np.zeros(100, int), np.zeros(100, int)
    then[[3, 4, 5]] = 1, 2, 3  # wrong then
    now[[4, 5, 50, 51, 52]] = 2, 4, 1, 1, 1  # 3 gained; 4 as wrong as before; 5 wrong in another way; three lost
    (pair,), new, gone = flips.pairs({"a": record(then)}, {"a": record(now), "b": record(now, seed=9)})
    assert (pair.gained, pair.lost, pair.right_then, pair.right_now) == (1, 3, 97, 95)
    assert [(flip.index, flip.then, flip.now) for flip in pair.flips] == [
        (3, False, True),
        (5, False, False),
        (50, True, False),
        (51, True, False),
        (52, True, False),
    ]
    assert pair.p_value == pytest.approx(stats.binomtest(1, 4).pvalue)
    assert pair.differs == {}
    assert (new, gone) == (["b"], [])


def test_networks_of_other_specs_meet_the_one_most_like_them():
    steps = np.zeros(20, int)
    then = {"far": record(steps, epochs=1, learning_rate=1.0), "near": record(steps, epochs=1, learning_rate=0.1)}
    now = {"now": record(steps, epochs=2, learning_rate=0.1), "other": record(steps, model="mlp")}
    (pair,), new, gone = flips.pairs(then, now)
    assert pair.differs == {"epochs": (1, 2)}
    assert (new, gone) == (["other"], ["far"])


def test_the_images_of_a_named_split_are_found():
    split = load.make_split("standard", n_validation=50, seed=2)
    then, now = np.zeros(10_000, int), np.zeros(10_000, int)
    now[[7, 9_999]] = 3, 1
    records = [record(steps, np.zeros(50, int), split=split.fingerprint) for steps in (then, now)]
    (pair,), _, _ = flips.pairs({"a": records[0]}, {"a": records[1]})
    test = load.load_mnist().test
    assert [(flip.index, flip.label, flip.then, flip.now) for flip in pair.flips] == [
        (i, int(test.labels[i]), int(test.labels[i]), int(test.labels[i] + step) % 10)
        for i, step in ((7, 3), (9999, 1))
    ]
    assert all(base64.b64decode(flip.png).startswith(b"\x89PNG") for flip in pair.flips)


def test_images_that_results_say_are_read_differently():
    labels = load.load_mnist().test.labels
    then, now = labels.copy(), labels.copy()
    then[[3, 8]] += 1
    now[[8, 9_000, 9_001]] += 1
    before, after = (results.accuracy_row("net", labels, one % 10, split="standard test") for one in (then, now))
    other = results.accuracy_row("net", labels[::-1], now[::-1] % 10, split="standard test")
    changes = [differences.judge("10_x", before, row) for row in (after, before, other)]
    changes.append(differences.judge("10_x", Row("net", "s", "accuracy", 0.9, 10_000), after))
    (pair,) = flips.of_rows(changes)
    assert (pair.name, pair.differs, pair.n, pair.gained, pair.lost) == ("net in report 10", None, 10_000, 1, 2)
    assert [(flip.index, flip.label, flip.then, flip.now) for flip in pair.flips] == [
        (3, labels[3], False, True),
        (9_000, labels[9_000], True, False),
        (9_001, labels[9_001], True, False),
    ]
    assert all(base64.b64decode(flip.png).startswith(b"\x89PNG") for flip in pair.flips)


# Through git --------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A scratch project in git whose results moved since its only commit, with hostile names in them."""
    root = tmp_path / "project"
    (root / "reports/results").mkdir(parents=True)
    (root / "reports/runs").mkdir()
    (root / "data").mkdir()
    (root / "data/claims.csv").write_text(CLAIMS)
    places = {name: getattr(paths, name) for name in ("ROOT", "CLAIMS", "REPORTS", "RESULTS", "BUILD")}
    for name, path in places.items():
        monkeypatch.setattr(paths, name, root / path.relative_to(places["ROOT"]))
    published._read_claims.cache_clear()
    split = load.make_split("standard", n_validation=50, seed=2)
    steps = np.zeros(10_000, int)
    steps[:40] = 1

    def write(value, steps, answer):
        monkeypatch.setenv("DIGITS_RESULTS_DIR", str(paths.RESULTS))
        rows = [
            row(value, claim_id="knn", system="kNN " + PWN),
            row(value, system="network", claim_id="net", mean=value, sd=0.002, seeds=3),
            row(value, system="forest", split="even " + PWN),
            row(12.0 * value, system="forest", metric="ms"),
            row(0.5, system="coin"),
        ]
        results.save("01_one", rows, profile="standard", seed=0, question="?", answer=answer)
        about = {"split": split.fingerprint, "note": PWN}
        for model in ("linear", "mlp"):
            text = json.dumps(record(steps, np.zeros(50, int), model=model, **about))
            (root / f"reports/runs/{model}-0.json").write_text(text)

    write(0.90, steps, "Ninety." + PWN)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", f"First {PWN}")
    write(0.95, np.roll(steps, 5), "Ninety-five." + PWN)
    return root


def git(root, *arguments):
    who = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True)


def test_a_whole_comparison(project, capsys):
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*") if "build" not in path.parts}
    assert command.main(["diff", "--base", "HEAD"]) == 0
    after = {path: path.stat().st_mtime_ns for path in project.rglob("*") if "build" not in path.parts}
    assert after == before, "something outside build/ was written"
    said = capsys.readouterr().out
    assert "3 beyond noise, 0 within noise, 1 not judged, 1 unchanged; 0 appeared, 0 gone" in said
    assert "90.00% -> 95.00%" in said
    assert "knn: reproduced -> higher" in said
    assert "net: lower -> reproduced" in said
    assert "5 gained, 5 lost of 10,000" in said
    assert "read build/diff.html" in said
    page = (project / "build/diff.html").read_text()
    assert "<script>window" not in page
    assert "<img src=x" not in page
    assert page.count("data:image/png;base64,") == 20


def test_nothing_moved(project, capsys):
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "Second")
    assert compare.diff("HEAD", terminal=Terminal()) == 0
    assert "0 beyond noise, 0 within noise, 0 not judged, 5 unchanged" in capsys.readouterr().out
    page = (project / "build/diff.html").read_text()
    assert "No verdict is another than it was" in page
    assert "None of the 5 results" in page


@pytest.mark.parametrize("base", ["nonsense", "--all", "HEAD:reports", "-1", "HEAD~1"])
def test_a_revision_that_is_none_is_refused(project, capsys, base):
    assert command.main(["diff", f"--base={base}"]) == 2
    assert f"error: BASE={base}: no such revision" in capsys.readouterr().out
    assert not (project / "build").exists()


def test_outside_of_git_and_with_nothing_to_compare(project, capsys, monkeypatch):
    git(project, "rm", "-q", "-r", "--cached", "reports")
    git(project, "commit", "-q", "-m", "Without")
    assert command.main(["diff"]) == 2
    assert "nothing to compare: commit" in capsys.readouterr().out
    (project / ".git").rename(project / "was-git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    assert command.main(["diff"]) == 2
    assert "project/ is not in a git repository" in capsys.readouterr().out
    monkeypatch.setenv("PATH", "")
    assert command.main(["diff"]) == 2
    assert "git is not installed" in capsys.readouterr().out


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page(browser, project, scheme):
    assert compare.diff("HEAD", terminal=Terminal()) == 0
    with Visit(browser, project / "build/diff.html", color_scheme=scheme) as visit:
        page = visit.page
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (luminance(ground) > 0.5) == (scheme == "light")
        assert page.evaluate("[...document.images].every(each => each.naturalWidth > 0 && each.alt)")
        assert page.locator(".flips li").count() == 20
        assert visit.sideways() <= 0
        page.set_viewport_size({"width": 390, "height": 844})
        assert visit.sideways() <= 0, "on a phone"
        assert page.evaluate("window.__pwned === undefined")
        assert visit.complaints == []
        assert visit.outside == []
