"""Own digits through the series: where their reports go, what decides that they are fresh, what their pages say."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from scratch import lend_data

from helpers.data import load
from helpers.reporting import __main__ as command
from helpers.reporting import produce
from helpers.reporting.run import execute, own, plan
from helpers.runtime import paths

NOTEBOOKS = paths.NOTEBOOKS  # of the series, some of which the glossary leads to
PROJECT = Path(__file__).resolve().parents[2]
ODD = """it's "my" №1 $5 & <b>"""  # what a folder may well be called
SMALL = "02_svm_sklearn_digits"  # the glossary links to it, too
TITLES = {"01_one": "One about digits", SMALL: "Two about flowers", "03_three": "Three about digits"}
# Written by hand: importing helpers.results costs each kernel more than everything else these notebooks do.
RECORD = """\
import json
from helpers.runtime import paths
row = dict(system="net {slug}", split="standard test", metric="accuracy", value=0.75, n=200, model="cnn")
row |= dict(parameters=len("{slug}"), passes=1)
row |= dict(train_images=400, label_smoothing=0, precision="float32", misread=misread)
report = dict(schema=1, notebook="{slug}", profile=profile, seed=seed, question="How?", answer="Three in four.")
report |= dict(rows=[row], data=name)
home = paths.results_directory()
home.mkdir(parents=True, exist_ok=True)
(home / "{slug}.json").write_text(json.dumps(report))"""


def digits(n=600, *, there=range(10), seed=0):
    """Return images that nobody would take for digits, and labels: n of each, in turn."""
    labels = np.resize(np.array(list(there)), n).astype(np.uint8)
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), np.uint8), labels


def write_npz(path: Path, n=600, **more) -> Path:
    images, labels = digits(n, **more)
    path.parent.mkdir(parents=True, exist_ok=True)
    third = n // 3
    parts = {"x_train": images[third:], "y_train": labels[third:], "x_test": images[:third], "y_test": labels[:third]}
    np.savez(path, **parts)
    return path


def write_notebook(root: Path, slug: str, *, takes_digits=True, code="print('about', source)") -> None:
    lines = ["seed: int = 0", 'profile: str = "standard"', *(['source: str = ""'] if takes_digits else [])]
    text = f"# {TITLES[slug]}\n\nAs in [report 2]({SMALL}.ipynb#the-data), and in [the third](03_three.ipynb)."
    cells = [
        nbformat.v4.new_markdown_cell(text),
        nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code if takes_digits else "print('flowers')"),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), root / "notebooks" / f"{slug}.ipynb")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A scratch project of three notebooks, the second of which takes no digits, in this process."""
    places = {name: getattr(paths, name) for name in ("ROOT", "NOTEBOOKS", "PROFILES", "REPORTS", "RESULTS", "BUILD")}
    root = tmp_path / "project"
    for name, path in places.items():
        monkeypatch.setattr(paths, name, root / path.relative_to(places["ROOT"]))
    monkeypatch.setattr(load, "ROOT", root)
    monkeypatch.setenv("DIGITS_ROOT", str(root))
    monkeypatch.chdir(tmp_path)
    for name in ("notebooks", "profiles/smoke", "reports/results"):
        (root / name).mkdir(parents=True)
    for place in ("reports/manifest.json", "reports/index.html", "reports/01_one.html", "reports/results/01_one.json"):
        (root / place).write_text("{} committed")
    lend_data(root)
    (root / "requirements.lock").write_text("")
    for slug in TITLES:
        write_notebook(root, slug, takes_digits=slug != SMALL)
    own.read.cache_clear()
    yield root
    own.read.cache_clear()


@pytest.fixture
def ran(monkeypatch):
    """Run no kernel: note the parameters, print the source, record a result; return what was run."""
    seen = []

    def run(source, output, *, parameters, results, limits, progress, environment, idle):
        slug = Path(results).parent.name.rpartition("-")[0]
        seen.append((slug, parameters))
        notebook = nbformat.read(source, as_version=4)
        if "1 / 0" in notebook.cells[2].source:
            return execute.Outcome(0.1, "ZeroDivisionError: division by zero", 2)
        for number, cell in enumerate(notebook.cells[1:], start=1):
            cell.execution_count = number
        notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text=f"about {parameters.get('source')}\n")]
        nbformat.write(notebook, output)
        found = load.load_source(parameters.get("source", ""))
        from helpers.results.rows import misread

        wrong = found.test.labels.copy()
        wrong[::4] += 1
        names = {"profile": parameters.get("profile", "standard"), "seed": 0, "name": found.name}
        names["misread"] = misread(found.test.labels, wrong)
        code = RECORD.format(slug=slug).replace("paths.results_directory()", "results")
        exec(code, names | {"results": Path(results)})
        return execute.Outcome(0.1)

    monkeypatch.setattr(produce.execute, "run", run)
    return seen


def reporting(*arguments):
    own.read.cache_clear()  # each command is a process of its own
    return command.main([str(one) for one in arguments])


def content(folder: Path) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def links(page: Path) -> list[str]:
    found = re.findall(r'<a\b[^>]*\shref="([^"]*)"', page.read_text(encoding="utf-8"))
    return [html.unescape(one).partition("#")[0] for one in found]


def test_a_set_about_own_digits_and_nothing_else(root, ran, tmp_path, capsys):
    before, source = content(root / "reports"), write_npz(tmp_path / f"{ODD}.npz", there=(1, 2, 3, 7))
    assert reporting("build", "--source", f"{ODD}.npz") == 0
    said = capsys.readouterr().out
    assert "400 training and 200 test images, digits 1, 2, 3 and 7." in said
    assert f"take no digits of yours: {SMALL}\n" in said
    assert sorted(ran) == [(slug, {"source": str(source)}) for slug in ("01_one", "03_three")]
    assert content(root / "reports") == before
    home = root / "build/own/it-s-my-1-5-b"
    assert f"read {home.relative_to(root)}/index.html" in said
    results = json.loads((home / "results/01_one.json").read_text())
    assert results["data"] == source.name
    assert not list(home.rglob(f"{SMALL}*"))

    page = (home / "01_one.html").read_text(encoding="utf-8")
    banner = re.search(r'<p class="banner own" role="note">(.*?)</p>', page)[1]
    assert html.unescape(re.sub("<[^>]*>", "", banner)) == (
        f"About {source.name}, not MNIST: 400 training and 200 test images, digits 1, 2, 3 and 7."
    )
    assert ">report 2</span>" in page
    assert load.load_source(str(source)).pooled.checksum[:16] in page
    assert re.search('<a href="03_three.html"[^>]*>the third</a>', page)
    assert ' rel="next" title="Three about digits"' in page

    index = (home / "index.html").read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", index)))
    for words in (source.name, "400 images", "200 images", "Three in four.", "2 models", "75.0%"):
        assert words in text, words
    assert "Report 2, Two about flowers , is not among them" in text
    assert load.load_source(str(source)).pooled.checksum in index
    for nothing in ("MNIST’s own", "10,000", "60,000", 'id="claims"', "reproduced", "CC BY-SA", "try.html"):
        assert nothing not in index, nothing
    for each in home.glob("*.html"):
        there = {link for link in links(each) if link and not link.startswith("https://")}
        others = {f"{one.stem}.html" for one in NOTEBOOKS.glob("*.ipynb")} - {f"{SMALL}.html"}
        assert [link for link in there - others if not (home / link).is_file()] == [], each.name
    assert "Three about digits" in (home / "assets/search.js").read_text(encoding="utf-8")


def test_what_is_fresh_and_what_is_not(root, ran, tmp_path, capsys):
    source = write_npz(tmp_path / "mine.npz")
    assert reporting("build", "--source", source) == 0
    home = root / "build/own/mine"
    times = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    assert reporting("build", "--source", source) == 0
    assert "0 executed, 0 rendered, 2 already fresh" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()} == times
    assert reporting("status", "--source", f"{tmp_path}/project/../mine.npz") == 0
    assert capsys.readouterr().out.count("  fresh") == 2

    write_npz(source, seed=1)
    assert reporting("status", "--source", source) == 0
    said = capsys.readouterr().out
    assert "01_one                       stale: data of parameter source: mine.npz changed" in said
    assert reporting("build", "--source", source, "--notebook", "3") == 0
    assert reporting("build", "--source", source) == 0
    assert [slug for slug, _ in ran[2:]] == ["03_three", "01_one"]
    assert reporting("build", "--source", source, "--force", "--jobs", 2) == 0
    assert sorted(slug for slug, _ in ran[4:]) == ["01_one", "03_three"]


def test_a_profile_of_own_digits_has_a_place_of_its_own(root, ran, tmp_path):
    (root / "profiles/smoke/01_one.yaml").write_text("profile: smoke\nseed: 3\n")
    source = write_npz(root / "data/mine.npz")
    assert reporting("build", "--source", source, "--profile", "smoke") == 0
    assert ("01_one", {"profile": "smoke", "seed": 3, "source": "data/mine.npz"}) in ran
    page = (root / "build/own/mine/smoke/01_one.html").read_text(encoding="utf-8")
    assert "Smoke profile." in page
    assert "About mine.npz" in page
    assert not (root / "build/own/mine/index.html").exists()


def test_two_sources_of_one_name_do_not_meet(root, ran, tmp_path, capsys):
    one, two = (write_npz(tmp_path / where / "digits.npz", seed=seed) for seed, where in enumerate("ab"))
    for source in (one, two):
        assert reporting("build", "--source", source, "--notebook", "1") == 0
    first, second = sorted((root / "build/own").iterdir())
    assert first.name == "digits"
    assert re.fullmatch("digits-[0-9a-f]{6}", second.name)
    owners = [json.loads((each / "source.json").read_text())["source"] for each in (first, second)]
    assert owners == [str(one), str(two)]
    reporting("status", "--source", two)
    assert "01_one                       fresh" in capsys.readouterr().out
    one.unlink()  # moved elsewhere, say: the folder is the name's again
    own.read.cache_clear()
    assert own.read(str(write_npz(tmp_path / "c" / "digits.npz"))).folder == first


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train.csv.gz", "train"),
        ("мои цифры", "мои-цифры"),
        ("..", "project"),
        (".hidden", "hidden"),
        ("***", "digits"),
        ("a/b", "b"),
        ("x" * 100, "x" * 60),
        ("v1.2", "v1.2"),
    ],
)
def test_what_a_folder_is_called(root, name, expected):
    place = Path(os.path.normpath(root / "deeper" / name))
    assert own._folder(place) == root / "build/own" / expected


REFUSED = {
    "nowhere": "SOURCE=nowhere: no such file or folder",
    "empty": "SOURCE=empty: ",
    "text.npz": "SOURCE=text.npz: ",
    "few.npz": "500",
    "no\0name": "SOURCE=no",
}


@pytest.mark.parametrize("verb", ["build", "status"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_error_and_leaves_nothing(root, ran, tmp_path, capsys, name, verb):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("no archive")
    write_npz(tmp_path / "few.npz", 30)
    before = content(tmp_path)
    assert reporting(verb, "--source", name) == 2
    said = capsys.readouterr().out
    assert said.startswith("error: ")
    assert REFUSED[name] in said
    assert said.count("\n") == 1
    assert ran == []
    assert content(tmp_path) == before
    assert not (root / "build").exists()


def test_requests_that_make_no_sense(root, ran, tmp_path, capsys):
    source = write_npz(tmp_path / "mine.npz")
    for arguments, words in {
        ("--notebook", "02"): f"NOTEBOOK=02: {SMALL} takes no digits of yours: it has no parameter `source`",
        ("--notebook", "9"): "no notebook '9'; there are: 01_one, 03_three",
        ("--profile", "full"): "published trainings",
    }.items():
        assert reporting("build", "--source", source, *arguments) == 2
        assert words in capsys.readouterr().out
    for slug in ("01_one", "03_three"):
        write_notebook(root, slug, takes_digits=False)
    assert reporting("build", "--source", source) == 2
    assert "no report takes any" in capsys.readouterr().out
    assert not (root / "build").exists()


def test_a_notebook_that_takes_digits_no_more_goes_and_the_links_to_it(root, ran, tmp_path, capsys):
    source = write_npz(tmp_path / "mine.npz")
    reporting("build", "--source", source)
    home = root / "build/own/mine"
    write_notebook(root, "03_three", takes_digits=False)
    assert reporting("build", "--source", source) == 0
    assert "0 executed, 1 rendered" in capsys.readouterr().out
    assert not (home / "03_three.html").exists()
    assert ">the third</span>" in (home / "01_one.html").read_text(encoding="utf-8")


def test_a_card_leads_to_what_went_wrong(root, ran, tmp_path):
    source = write_npz(tmp_path / "mine.npz")
    write_notebook(root, "03_three", code="1 / 0")
    assert reporting("build", "--source", source) == 1
    index = root / "build/own/mine/index.html"
    assert 'It could not be executed: <a href="failed/03_three.html">' in index.read_text(encoding="utf-8")
    assert "division by zero" in (index.parent / "failed/03_three.html").read_text(encoding="utf-8")
    write_notebook(root, "03_three")
    assert reporting("build", "--source", source) == 0
    assert "could not be executed" not in index.read_text(encoding="utf-8")


def test_folders_of_images_count_by_their_bytes_at_any_depth(root, tmp_path):
    """One component for many files, one each for a few; what is hidden does not count."""
    home = tmp_path / "scans"
    for name in ("3/a.png", "3/b.png", "4/a.png", "4/.DS_Store"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(name.encode())
    of = plan.freshness.of_parameters
    few = of({"source": str(home)})
    prefix = "data of parameter source: "
    assert list(few) == ["parameter source", *(prefix + name for name in ("3/a.png", "3/b.png", "4/a.png"))]
    (home / "4/.DS_Store").write_bytes(b"other")
    assert of({"source": str(home)}) == few
    (home / "3/b.png").write_bytes(b"other")
    now = of({"source": str(home)})
    assert plan.freshness.why_stale(few, now) == [f"{prefix}3/b.png changed"]
    for i in range(30):
        (home / f"{i}.png").write_bytes(b"")
    many = of({"source": str(home)})
    assert list(many) == ["parameter source", f"{prefix}the files of scans"]
    (home / "4/a.png").rename(home / "3/c.png")
    assert plan.freshness.why_stale(many, of({"source": str(home)})) == [f"{prefix}the files of scans changed"]
    assert of({"other": str(home)}).keys() == {"parameter other", *()} | {
        key for key in of({"other": str(home)}) if key.startswith("data of parameter other")
    }
    for everything in ("/", ".", "..", str(root)):
        assert len(of({"source": everything})) < 200, "the whole disk, or the whole project"


def test_files_of_a_source_in_the_project_are_no_components_twice(root):
    write_npz(root / "data/mine/a.npz")
    names = ["data/mine/a.npz", "data/other.csv"]
    found = plan.freshness.opened(names, {"source": "data/mine"})
    assert list(found) == ["file data/other.csv"]
    assert list(plan.freshness.opened(names, {"source": ""})) == ["file data/mine/a.npz", "file data/other.csv"]


def test_make_hands_on_a_path_as_it_was_typed(tmp_path):
    """The real recipes, with a program in place of Python that prints what it is given."""
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    text = re.sub(r"^BIN := .*$", "BIN := bin", text, flags=re.M).replace(": $(STAMP) ", ": ")
    (tmp_path / "Makefile").write_text(text)
    (tmp_path / "requirements.lock").write_text("")
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)

    def make(*arguments, **variables):
        how = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 100}
        return subprocess.run(["make", "-s", *arguments], env=os.environ | variables, **how)

    path = ODD + " $(shell touch pwned) `touch pwned` #2, 50% \\"
    for target in ("reports", "smoke", "status"):
        said = make(target, f"SOURCE={path}").stdout.splitlines()
        assert said[said.index("--source") + 1] == path, said
        assert "--source" not in make(target, SOURCE="of the environment, which may mean anything").stdout
    said = make("run", "NOTEBOOK=3", f"SOURCE={path}", "seed=7").stdout.splitlines()
    assert said[-4:] == ["--", "3", f"source={path}", "seed=7"]
    assert not (tmp_path / "pwned").exists()
    for target in ("full", "diff", "study", "book", "readme", "check-records"):
        refused = make(target, f"SOURCE={path}")
        assert refused.returncode == 2
        assert f"make {target}: SOURCE is not for it" in refused.stderr
        assert not refused.stdout


@pytest.mark.slow
def test_a_real_kernel_reads_what_make_was_told(root, tmp_path):
    """Nothing is made up here: the command, the kernel, the loader."""
    source = write_npz(tmp_path / f"{ODD} #2.npz")
    code = "from helpers.data import load\nmine = load.load_source(source)\nprint(mine.name, len(mine.train))"
    write_notebook(root, "01_one", code=code)
    how = {"env": dict(os.environ), "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 600}
    module = [sys.executable, "-m", "helpers.reporting"]
    done = subprocess.run([*module, "build", "--source", source.name, "--notebook", "1"], **how)
    assert done.returncode == 0, done.stdout + done.stderr
    (page,) = (root / "build/own").glob("*/01_one.html")
    assert f"{source.name} 400" in html.unescape(page.read_text(encoding="utf-8"))


def test_a_study_of_several_sources(root, ran, tmp_path):
    """A source is a parameter as any other; its bytes decide whether a point is finished, its page says what it is."""
    one, two = (write_npz(tmp_path / f"{name}.npz", seed=seed) for seed, name in enumerate(("one", "two")))
    study = root / "sources.yaml"
    study.write_text(f'notebook: 1\ngrid: {{source: ["", "{one}", "../two.npz"]}}\n')
    assert reporting("study", study) == 0
    assert [parameters["source"] for _, parameters in ran] == ["", str(one), "../two.npz"]
    home = root / "build/studies/sources"
    assert "3 points" in (home / "index.html").read_text(encoding="utf-8")
    banners = {
        name: re.search(r'class="banner own"[^>]*>(.*?)</p>', page.read_text(encoding="utf-8"))
        for page in home.glob("01_one*.html")
        for name in [json.loads((home / "results" / f"{page.stem}.json").read_text())["data"]]
    }
    assert banners.keys() == {"MNIST", "one.npz", "two.npz"}
    assert banners["MNIST"] is None
    assert "About two.npz, not MNIST" in banners["two.npz"][1]
    write_npz(two, seed=5)
    assert reporting("study", study) == 0
    assert [parameters["source"] for _, parameters in ran[3:]] == ["../two.npz"]


def test_a_run_by_hand_says_what_it_is_about_and_refuses_before_it_starts(root, ran, tmp_path, capsys):
    source = write_npz(tmp_path / "mine #2.npz")
    assert reporting("run", "01", f"source={source}") == 0
    assert ran == [("01_one", {"source": str(source)})]
    page = (root / "build/by_hand/01_one.html").read_text(encoding="utf-8")
    assert "About mine #2.npz, not MNIST" in page
    capsys.readouterr()
    assert reporting("run", "01", "source=../nowhere") == 2
    assert capsys.readouterr().out.endswith("nowhere: no such file or folder\n")
    assert len(ran) == 1
