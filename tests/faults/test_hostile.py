"""What others may have written: markup in every name, pickles in every archive. Shown as text, or not opened at all."""

import ast
import os
import pickle

import numpy as np
import pytest
import specimen
from test_pages import Visit

from helpers.data import load
from helpers.reporting.front_page import index
from helpers.reporting.page import pages as pages_of
from helpers.reporting.page import render, site
from helpers.results import Report
from helpers.results.rows import Row
from helpers.runtime import paths, run_store

BAD = specimen.SCRIPT + specimen.IMAGE


# What no page can be made of ------------------------------------------------------------------------------------------


def test_a_page_that_cannot_be_rendered_fails_its_report_and_no_other(project, monkeypatch, capsys):
    project.write_notebook("x = 1")
    project.write_notebook("y = 2", slug="02_two")
    render_page = pages_of.renderer.render_page

    def render_but_one(notebook, *, slug, **details):
        if slug == "01_one":
            raise KeyError("image/png")
        return render_page(notebook, slug=slug, **details)

    monkeypatch.setattr(pages_of.renderer, "render_page", render_but_one)
    assert project.build() == 1
    said = capsys.readouterr().out
    assert "01_one: FAILED: its page could not be rendered: KeyError: 'image/png'" in said
    assert "1 executed, 1 rendered, 0 already fresh, 1 failed" in said
    assert (project.root / "reports/02_two.html").exists()
    assert not project.page.exists()
    monkeypatch.setattr(pages_of.renderer, "render_page", render_page)
    assert project.build() == 0
    assert "0 executed, 1 rendered, 2 already fresh, 0 failed" in capsys.readouterr().out


# Markup -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every kind of page, each with something in every field that would like to run."""
    home = tmp_path_factory.mktemp("hostile")
    site.write_assets(home / "assets")
    notebook = specimen.notebook(hostile=True)
    failed = specimen.notebook(hostile=True)
    made = {
        "report": render.render_page(notebook, slug="x", previous=("index", "Before" + BAD), next=("x", BAD)),
        "failure": render.render_failure(
            failed,
            slug="x" + BAD,
            error="ValueError: " + BAD,
            parameters={"source" + BAD: BAD, "seed": 0},
            log_tail=["last line " + BAD],
            command=f"papermill x -p source '{BAD}'",
        ),
    }
    row = Row("kNN" + BAD, "test" + BAD, "accuracy", 0.9, 100, note=BAD, section="a" + BAD)
    found = Report("01_eda", "standard", 0, "What?" + BAD, "So." + BAD, (row,))
    entry = index.IndexEntry("01_eda", "Title" + BAD, "What?" + BAD, "So." + BAD, seconds=1.0, results=found)
    made["index"] = index.render_index([entry], commit={"commit": "0" * 12 + BAD, "dirty": True})
    for name, text in made.items():
        (home / f"{name}.html").write_text(text, encoding="utf-8")
    return home


@pytest.mark.browser
@pytest.mark.parametrize("name", ["report", "failure", "index"])
def test_no_script_runs_but_ours_and_plotlys(browser, pages, name):
    """Chromium's own debugger tells of every script that it compiles: each must be a file of assets/."""
    with Visit(browser, pages / f"{name}.html") as visit:
        page = visit.page
        session = visit.context.new_cdp_session(page)
        compiled = []
        session.on("Debugger.scriptParsed", lambda event: compiled.append(event["url"]))
        session.send("Debugger.enable")
        page.reload()
        visit.draw_all()
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        page.wait_for_timeout(300)
        ours = (pages / "assets").as_uri()
        # Playwright's own evaluations have no address.
        assert [url for url in compiled if url.startswith("file:") and not url.startswith(ours)] == []
        assert any(url.startswith(ours) for url in compiled) or name == "failure", "the debugger saw nothing"
        assert page.evaluate("window.__pwned === undefined")
        assert page.url == (pages / f"{name}.html").as_uri()
        assert visit.outside == []


def test_the_debugger_would_have_seen_one(browser, tmp_path):
    """The same look at a page without a content policy: an inline script is told under the page's own address."""
    page_path = tmp_path / "bad.html"
    page_path.write_text("<!doctype html><title>x</title><script>window.__pwned = 1</script>")
    with Visit(browser, page_path) as visit:
        session = visit.context.new_cdp_session(visit.page)
        compiled = []
        session.on("Debugger.scriptParsed", lambda event: compiled.append(event["url"]))
        session.send("Debugger.enable")
        visit.page.reload()
        visit.page.wait_for_timeout(100)
        assert page_path.as_uri() in compiled


def test_markup_that_comes_through_a_build(project):
    """From a notebook's own outputs, its results and its parameters file to the page and the index."""
    record = f"import json\nfrom helpers.runtime import paths\nbad = {BAD!r}\nprint(bad)\n"
    record += (
        "row = dict(system='toy' + bad, split='all' + bad, metric='loss', value=1.5, n=200, note=bad)\n"
        "report = dict(schema=1, notebook='01_one', profile=profile, seed=seed, question=bad, answer=bad, rows=[row])\n"
        "target = paths.results_directory() / '01_one.json'\n"
        "target.parent.mkdir(parents=True, exist_ok=True)\n"
        "target.write_text(json.dumps(report))"
    )
    project.write_notebook(record, prose=BAD)
    assert project.build() == 0
    for page in (project.page, project.root / "reports/index.html"):
        text = page.read_text()
        assert f"<script>{specimen.PWN}" not in text
        assert f'<img src=x onerror="{specimen.PWN}"' not in text


# Pickles ------------------------------------------------------------------------------------------------------------

# Whatever turns stored bytes back into live objects.
LOADERS = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "dill.load", "dill.loads", "cloudpickle.load",
    "cloudpickle.loads", "shelve.open", "marshal.load", "marshal.loads", "pd.read_pickle", "pandas.read_pickle",
    "torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec", "keras.saving.load_weights",
}  # fmt: skip


def sources():
    return [path for folder in ("src", "benchmarks") for path in sorted((paths.ROOT / folder).rglob("*.py"))]


def calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            plain = names.get(first, first) + (f".{rest}" if rest else "")
            yield plain.replace("numpy.", "np."), {word.arg: ast.unparse(word.value) for word in node.keywords}


# Processes of one build, which talk over a socket in a folder that only this user may enter, and over pipes: nothing
# that they unpickle was ever stored.
TALK = {"src/helpers/runtime/pool.py", "src/helpers/runtime/pool_worker.py"}


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_nothing_unpickles_or_runs_stored_bytes(path):
    for name, words in calls(path):
        if name == "pickle.loads" and path.relative_to(paths.ROOT).as_posix() in TALK:
            continue
        assert name not in LOADERS, f"{name} in {path.name}"
        if name == "np.load":
            assert words.get("allow_pickle", "False") == "False"
        if name.endswith("load_model") and name.startswith("keras"):
            assert words.get("safe_mode") == "True"


def test_the_check_sees_through_other_names(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("import pickle as p\nfrom joblib import load as fetch\nimport numpy as np\np.load(f)\nfetch(f)\n")
    assert {name for name, _ in calls(path)} == {"pickle.load", "joblib.load"}


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.fixture
def bomb(tmp_path):
    made = Bomb(tmp_path / "exploded")
    yield made
    assert not os.path.exists(made.marker), "a pickle was loaded"


def test_planted_pickles_are_never_opened(bomb, tmp_path):
    """In a user's own archive, in the run store under its right hash, and as a bare pickle in place of either."""
    boxed = np.empty(1, object)
    boxed[0] = bomb
    archive = tmp_path / "own.npz"
    np.savez(archive, x_train=boxed, y_train=boxed, x_test=boxed, y_test=boxed)
    with pytest.raises(ValueError, match=r"own\.npz.*pickle"):
        load.load_source(str(archive))
    raw = archive.read_bytes()
    entry = run_store.Entry(tmp_path / "store", "key")
    run_store.write(entry.directory / f"epoch-00001-{run_store.digest(raw)}.npz", raw)
    with pytest.raises(ValueError, match="allow_pickle"):
        run_store.load_checkpoint(entry)
    bare = pickle.dumps(bomb)
    (tmp_path / "bare.npz").write_bytes(bare)
    with pytest.raises(ValueError, match=r"bare\.npz"):
        load.load_source(str(tmp_path / "bare.npz"))
    run_store.write(entry.directory / f"epoch-00002-{run_store.digest(bare)}.npz", bare)
    with pytest.raises(ValueError, match=r"allow_pickle|pickled"):
        run_store.load_checkpoint(entry)
    run_store.write(entry.directory / run_store.RECORD, bare)
    with pytest.raises(run_store.Corrupt, match="is not a record"):
        run_store.load_record(entry)


def test_planted_pickles_beside_a_state_are_not_looked_at(bomb, project):
    """What lies about in build/ and reports/ under likely names is neither read nor in the way."""
    for name in ("build/state", "build/executed", "reports/results", "reports/runs", "notebooks"):
        folder = project.root / name
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in (".pkl", ".pickle", ".joblib", ".npy"):
            (folder / f"01_one{suffix}").write_bytes(pickle.dumps(bomb))
    (project.root / "reports/manifest.json").write_bytes(pickle.dumps(bomb))
    assert project.build() == 0


def test_where_arrays_wait_for_workers_only_their_owner_can_write():
    """joblib hands images to its workers through a file that they load: its folder must be closed to others."""
    import stat

    from joblib import _memmapping_reducer

    assert _memmapping_reducer.FOLDER_PERMISSIONS == stat.S_IRWXU


# YAML ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.mkdir [exploded]", "seed: [", "\x00", "- a", "seed: &a [*a]", "? [1]\n: 2"]
)
def test_a_parameters_file_that_is_none_stops_its_notebook_before_it_runs(project, capsys, text):
    from helpers.reporting import __main__ as command

    (project.root / "profiles/standard").mkdir()
    (project.root / "profiles/standard/01_one.yaml").write_text(text)
    assert command.main(["build"]) == 1
    said = capsys.readouterr().out
    assert "01_one: FAILED" in said
    assert "01_one.yaml" in said
    assert not (project.root / "exploded").exists()
    assert not project.page.exists()
