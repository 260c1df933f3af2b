"""Comparing two moments: noise by independent oracles, rows that meet, git read without a checkout."""

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from test_pages import Visit, luminance

from helpers import results
from helpers.reporting import __main__ as command
from helpers.reporting.compare import diff
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


def snapshot(*rows, notebook="01_one", answer="So.", claims=CLAIMS, name="then"):
    document = {"schema": 1, "notebook": notebook, "profile": "standard", "seed": 0, "question": "?", "answer": answer}
    document["rows"] = [{f: getattr(one, f) for f in Row.__dataclass_fields__} for one in rows]
    files = {
        "data/claims.csv": claims.encode(),
        f"reports/results/{notebook}.json": json.dumps(document).encode(),
    }
    return diff.read(name, files)


# Noise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 0.001, 0.002, 0.004, 0.01, -0.003, -0.02])
@pytest.mark.parametrize(("seeds_a", "seeds_b"), [(3, 3), (5, 20)])
def test_seed_noise_is_welchs_test(shift, seeds_a, seeds_b):
    then = row(0.95, mean=0.95, sd=0.002, seeds=seeds_a)
    now = row(0.95 + shift, mean=0.95 + shift, sd=0.004, seeds=seeds_b)
    found = diff.judge("01", then, now)
    oracle = stats.ttest_ind_from_stats(0.95 + shift, 0.004, seeds_b, 0.95, 0.002, seeds_a, equal_var=False)
    assert found.yardstick == diff.SEEDS
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
        found = diff.judge("01", row(0.9), row(ours))
        low, high = confint_proportions_2indep(round(1000 * ours), 1000, 900, 1000, method="newcomb", compare="diff")
        assert (found.low, found.high) == pytest.approx((low, high))
        assert found.yardstick == diff.IMAGES
        expected = "unchanged" if ours == 0.9 else "beyond noise" if low > 0 or high < 0 else "within noise"
        assert found.judgement == expected
    moved = diff.judge("01", row(0.9), row(0.95)).numbers
    assert re.fullmatch(r"90\.00% -> 95\.00% \(by number of images, \+2\.\d\d to \+7\.\d\d pp\)", moved)


def test_the_other_yardsticks():
    overlap = diff.judge("01", row(3.0, metric="ms", low=2.0, high=4.0), row(3.5, metric="ms", low=2.5, high=4.5))
    assert (overlap.yardstick, overlap.judgement) == (diff.OVERLAP, "within noise")
    apart = diff.judge("01", row(3.0, metric="ms", low=2.9, high=3.1), row(4.0, metric="ms", low=3.5, high=4.5))
    assert apart.judgement == "beyond noise"
    bare = diff.judge("01", row(3.0, metric="ms"), row(3.5, metric="ms"))
    assert (bare.yardstick, bare.judgement, bare.low) == (diff.NOTHING, "not judged", None)
    exact = diff.judge("01", row(0.9, mean=0.9, sd=0.0, seeds=3), row(0.901, mean=0.901, sd=0.0, seeds=3))
    assert exact.judgement == "beyond noise"
    one_sided = diff.judge("01", row(0.9), row(0.91, mean=0.91, sd=0.02, seeds=5))
    assert one_sided.judgement == "within noise"
    assert one_sided.yardstick == diff.SEEDS


# Rows and claims that meet ------------------------------------------------------------------------------------------


def test_rows_meet_by_claim_and_else_by_name_in_order():
    then = snapshot(row(0.90, claim_id="knn"), row(0.8, system="twin"), row(0.7, system="twin"), row(0.6, system="old"))
    now = snapshot(
        row(0.70, system="twin"),
        row(0.99, system="renamed", claim_id="knn"),
        row(0.72, system="twin"),
        row(0.5, system="new"),
    )
    changes, appeared, gone = diff.compare(then, now)
    pairs = {(one.then.system, one.then.value, one.now.system, one.now.value) for one in changes}
    assert pairs == {("kNN", 0.90, "renamed", 0.99), ("twin", 0.8, "twin", 0.7), ("twin", 0.7, "twin", 0.72)}
    assert [one.system for _, one in appeared] == ["new"]
    assert [one.system for _, one in gone] == ["old"]
    assert {one.now.system for one in changes if one.judgement == "beyond noise"} == {"renamed", "twin"}
    assert [one.judgement for one in changes] == ["beyond noise", "beyond noise", "within noise"], "most telling first"


def test_verdicts_are_of_their_own_time():
    then = snapshot(row(0.9, claim_id="knn"), row(0.9, system="tree", claim_id="tree"))
    later = CLAIMS.replace("knn,A project,kNN,test,accuracy,0.90", "knn,A project,kNN,test,accuracy,0.97")
    now = snapshot(row(0.9, claim_id="knn"), claims=later)
    assert diff.changed_verdicts(then, now) == [("knn", "reproduced", "lower"), ("tree", "higher", "not answered")]
    assert diff.changed_verdicts(then, then) == []


def test_other_times_files_are_read_as_far_as_they_go():
    good = {"system": "s", "split": "t", "metric": "accuracy", "value": 0.5, "n": 10, "a_field_of_old": 1}
    document = {"schema": 0, "notebook": "a", "profile": "p", "seed": 0, "question": "q", "answer": "a", "rows": [good]}
    found = diff.read(
        "then",
        {
            "reports/results/a.json": json.dumps(document).encode(),
            "reports/results/b.json": b'{"rows": [',
            "reports/results/c.json": b"[]",
            "reports/results/.part.json": b"half",
            "data/claims.csv": b"\xff\xfe",
        },
    )
    assert found.reports["a"].rows[0].value == 0.5
    assert len(found.unreadable) == 3
    assert all("cannot be read" in one for one in found.unreadable)
    assert isinstance(found.claims, pd.DataFrame)


# Through git --------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A scratch project in git whose results moved since its only commit, with hostile names in them."""
    root = tmp_path / "project"
    (root / "reports/results").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "data/claims.csv").write_text(CLAIMS)
    places = {name: getattr(paths, name) for name in ("ROOT", "CLAIMS", "REPORTS", "RESULTS", "BUILD")}
    for name, path in places.items():
        monkeypatch.setattr(paths, name, root / path.relative_to(places["ROOT"]))
    published._read_claims.cache_clear()

    def write(value, answer):
        monkeypatch.setenv("DIGITS_RESULTS_DIR", str(paths.RESULTS))
        rows = [
            row(value, claim_id="knn", system="kNN " + PWN),
            row(value, system="network", claim_id="net", mean=value, sd=0.002, seeds=3),
            row(value, system="forest", split="even " + PWN),
            row(12.0 * value, system="forest", metric="ms"),
            row(0.5, system="coin"),
        ]
        results.save("01_one", rows, profile="standard", seed=0, question="?", answer=answer)

    write(0.90, "Ninety.")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", f"First {PWN}")
    write(0.95, "Ninety-five.")
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
    assert "read build/diff.html" in said
    page = (project / "build/diff.html").read_text()
    assert "<script>window" not in page
    assert "<img src=x" not in page


def test_nothing_moved(project, capsys):
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "Second")
    assert diff.diff("HEAD", terminal=Terminal()) == 0
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
    assert diff.diff("HEAD", terminal=Terminal()) == 0
    with Visit(browser, project / "build/diff.html", color_scheme=scheme) as visit:
        page = visit.page
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (luminance(ground) > 0.5) == (scheme == "light")
        assert page.locator("tbody tr").count() == 6
        assert visit.sideways() <= 0
        page.set_viewport_size({"width": 390, "height": 844})
        assert visit.sideways() <= 0, "on a phone"
        assert page.evaluate("window.__pwned === undefined")
        assert visit.complaints == []
        assert visit.outside == []
