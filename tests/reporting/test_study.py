"""Studies: refused before anything runs, names that cannot collide, resumed, side by side, failures that stay alone."""

import html
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import threading

import nbformat
import pytest
import yaml
from papermill.cli import _resolve_type
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from scratch import lend_data
from test_pages import Visit, luminance

from helpers import results
from helpers.reporting import __main__ as command
from helpers.reporting import produce
from helpers.reporting.compare import study, study_page, study_run
from helpers.reporting.run import execute
from helpers.reporting.run.terminal import Terminal
from helpers.runtime import paths

PWN = "</script><script>window.__pwned=1</script><img src=x onerror=window.__pwned=1>"
PARAMETERS = """seed: int = 0
profile: str = "standard"
rate: float = 0.1  # per step
depths: list[int] = [1, 2]
name: str = "plain"
"""
# Written by hand: importing helpers.results costs each kernel more than everything else these notebooks do.
RECORD = """\
import json
from helpers.runtime import paths
if name == "fail":
    raise RuntimeError("rate was " + name)
rows = [dict(system=s, split="test", metric="accuracy", value=v, n=100)
        for s, v in (("kNN" + name[5:], 0.9 + seed / 100), ("tree", 0.5 + rate))]
report = dict(schema=1, notebook="01_one", profile=profile, seed=seed, question="?", answer="So.", rows=rows)
target = paths.results_directory() / "01_one.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps(report))"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A scratch project of one notebook, in this process and for those it starts."""
    places = {name: getattr(paths, name) for name in ("ROOT", "NOTEBOOKS", "PROFILES", "REPORTS", "RESULTS", "BUILD")}
    for name, path in places.items():
        monkeypatch.setattr(paths, name, tmp_path / path.relative_to(places["ROOT"]))
    monkeypatch.delenv("DASK_SCHEDULER", raising=False)
    monkeypatch.delenv("DIGITS_THREADS", raising=False)  # make test sets it
    for name in ("notebooks", "studies", "profiles/smoke"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "profiles/smoke/01_one.yaml").write_text("profile: smoke\nrate: 0.3\n")
    lend_data(tmp_path)
    (tmp_path / "requirements.lock").write_text("")
    write_notebook(tmp_path)
    return tmp_path


def write_notebook(root, source=RECORD):
    cells = [
        nbformat.v4.new_markdown_cell("# A title\n\nProse."),
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(source),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), root / "notebooks/01_one.ipynb")


def write_study(root, text, name="tries"):
    path = root / "studies" / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def ran(monkeypatch):
    """Run the notebook's cells in this process, which is quick; return the list of parameters that were run."""
    seen, lock = [], threading.Lock()

    def run(source, output, *, parameters, results, limits, progress, environment, idle):
        with lock:
            seen.append((parameters, environment))
        notebook = nbformat.read(source, as_version=4)
        names = {}
        progress(execute.Progress(1, 2, 0.0, ""))
        exec(notebook.cells[1].source, names)
        names |= parameters
        body = notebook.cells[2].source.replace("paths.results_directory()", "home")
        try:
            exec(body, names | {"home": results})
        except RuntimeError as error:
            return execute.Outcome(0.1, f"RuntimeError: {error}", 2, ("a line",))
        for number, cell in enumerate(notebook.cells[1:], start=1):
            cell.execution_count = number
        nbformat.write(notebook, output)
        return execute.Outcome(0.1, None, None, ("a line",))

    monkeypatch.setattr(produce.execute, "run", run)
    return seen


def go(path, *, jobs=1, force=False):
    return study_run.study(path, jobs=jobs, force=force, limits=execute.Limits(), terminal=Terminal())


GRID = "notebook: 01\ngrid: {seed: [0, 1, 2], rate: [0.1, 0.2]}\n"
REFUSED = {
    "grid: {seed: [0]}": "needs either `notebook: NN` or `notebooks:",
    "notebook: 1\nnotebooks: [1]\ngrid: {seed: [0]}": "needs either",
    "notebook: 9\ngrid: {seed: [0]}": r"no notebook 9; there are: 01_one",
    "notebook: 1": "needs a `grid` of parameter lists or a list of `points`",
    "notebook: 1\ngird: {seed: [0]}": "unknown key 'gird'; a study has: fixed, grid",
    "notebook: 1\ngrid: {sede: [0]}": "unknown parameter 'sede'; the notebook has: seed, profile",
    "notebook: 1\ngrid: {seed: [0, many]}": "parameter seed must be int, got 'many'",
    "notebook: 1\ngrid: {seed: [0, true]}": "parameter seed must be int, got True",
    "notebook: 1\ngrid: {depths: [[1], [a]]}": r"parameter depths must be list\[int\]",
    "notebook: 1\ngrid: {seed: 3}": "grid: seed must be a list of at least one value, got 3",
    "notebook: 1\ngrid: {seed: []}": "grid: seed must be a list of at least one value",
    "notebook: 1\ngrid: [seed]": "grid must be a mapping of parameter names",
    "notebook: 1\npoints: {seed: 1}": "points must be a list of mappings",
    "notebook: 1\nfixed: {rate: x}\ngrid: {seed: [0]}": "parameter rate must be float, got 'x'",
    "notebook: 1\ngrid: {seed: [0, 0]}": "the point seed = 0 is listed twice",
    "notebook: 1\ngrid: {rate: [1, 1.0]}": "the point rate = 1.0 is listed twice",
    "notebook: 1\ngrid: {seed: [0]}\npoints: [{seed: 0}]": "listed twice",
    "notebook: 1\nprofile: quick\ngrid: {seed: [0]}": "profile must be one of standard, smoke, full, got 'quick'",
    "notebook: 1\nshow: kNN\ngrid: {seed: [0]}": "show must be a list of words",
    "notebook: 1\ntitle: 3\ngrid: {seed: [0]}": "title must be text",
    "notebook: 1\ngrid: {seed: [0": "not valid YAML",
    "- notebook": "must be a flat mapping",
    f"notebook: 1\ngrid: {{seed: {list(range(40))}, rate: {[x / 10 for x in range(40)]}}}": "1,600 points; at most",
    "notebook: 1\ngrid: {seed: ['!!python/object/apply:os.system [true]']}": "parameter seed must be int",
    "notebook: 1\ngrid: {seed: [0], seed: [1]}": "line 2: got 'seed' twice; each name once is allowed",
    "notebook: 1\nfixed: &a {rate: 1}\ngrid: {seed: [*a]}": r"line 3: got the alias \*a; written out it is allowed",
    "notebook: 1\ngrid: {seed: !!python/object/apply:os.system [true]}": "not valid YAML",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_wrong_is_refused_before_anything_runs(root, ran, capsys, text):
    path = write_study(root, text)
    assert command.main(["study", str(path)]) == 2
    said = capsys.readouterr().out
    assert said.startswith("error: ")
    assert re.search(REFUSED[text], said), said
    assert "tries.yaml" in said
    assert ran == []
    assert not paths.BUILD.exists()


def test_files_and_requests_that_are_wrong(root, capsys):
    assert command.main(["study", str(root / "studies/none.yaml")]) == 2
    assert "no such file" in capsys.readouterr().out
    path = write_study(root, GRID, name="a b")
    assert command.main(["study", str(path)]) == 2
    assert "name may hold letters" in capsys.readouterr().out
    assert command.main(["study", str(write_study(root, GRID)), "--jobs", "0"]) == 2
    assert "JOBS=0: at least 1 is needed" in capsys.readouterr().out


def test_points_are_the_product_over_the_profile_and_what_is_fixed(root):
    text = "notebook: '01'\nprofile: smoke\nfixed: {name: other}\n"
    text += "grid: {seed: [1, 2], rate: [1, 2.5]}\npoints: [{seed: 7}]"
    found = study.read(write_study(root, text)).points
    assert [point.varied for point in found] == [
        *({"seed": seed, "rate": rate} for seed, rate in itertools.product([1, 2], [1.0, 2.5])),
        {"seed": 7},
    ]
    assert found[0].job.resolved == {"seed": 1, "profile": "smoke", "rate": 1.0, "depths": [1, 2], "name": "other"}
    assert found[-1].job.resolved["rate"] == 0.3, "of the smoke profile"
    assert found[0].label == "seed = 1, rate = 1.0"


def test_a_point_beats_what_is_fixed_and_that_the_profile_and_that_the_notebook(root):
    def resolved(more):
        (point,) = study.read(write_study(root, f"notebook: 1\n{more}")).points
        return {name: point.job.resolved[name] for name in ("seed", "rate", "name")}

    everywhere = {"seed": 0, "name": "plain"}
    assert resolved("points: [{seed: 0}]") == everywhere | {"rate": 0.1}
    assert resolved("profile: smoke\npoints: [{seed: 0}]") == everywhere | {"rate": 0.3}
    assert resolved("profile: smoke\nfixed: {rate: 0.7, seed: 5}\npoints: [{seed: 0}]") == everywhere | {"rate": 0.7}
    assert resolved("profile: smoke\nfixed: {rate: 0.7}\npoints: [{rate: 0.9}]") == everywhere | {"rate": 0.9}


def parameters_of(command):
    """Return what a shell would hand papermill: the notebook, and each parameter as papermill reads it."""
    program, notebook, _output, *options = shlex.split(command)
    assert program.endswith("papermill")
    found = {}
    while options:
        match options:
            case ["-p" | "--parameters", name, value, *options]:
                found[name] = _resolve_type(value)
            case ["-y" | "--parameters_yaml", text, *options]:
                found |= yaml.safe_load(text)
    return notebook, found


def test_the_page_of_a_failed_run_says_the_command_that_runs_it_again(root, ran):
    write_notebook(root, "raise RuntimeError('no')")
    overrides = {"name": "it's $HOME; a 'name'", "seed": 3, "rate": 0.5}
    assert go(write_study(root, f"notebook: 1\npoints: [{json.dumps(overrides)}]\n")) == 1
    (page,) = (root / "build/studies/tries/failed").glob("*.html")
    commands = re.findall(r"<code>([^<]*papermill [^<]*)</code>", page.read_text(encoding="utf-8"))
    assert [parameters_of(html.unescape(one)) for one in commands] == [("notebooks/01_one.ipynb", overrides)]


def test_a_power_of_ten_is_a_number(root):
    found = study.read(write_study(root, "notebook: 1\ngrid: {rate: [1e-3, 1E-2]}\n")).points
    assert [point.varied["rate"] for point in found] == [0.001, 0.01]


def test_the_command_that_makes_it_again_can_be_pasted(root, ran):
    (root / "my own").mkdir()
    path = root / "my own" / "tries.yaml"
    path.write_text("notebook: 1\ngrid: {seed: [0]}\n")
    assert go(path) == 0
    (command,) = re.findall("<code>(make study .*)</code>", (root / "build/studies/tries/index.html").read_text())
    assert shlex.split(html.unescape(command)) == ["make", "study", "STUDY=my own/tries.yaml"]


def test_names_can_be_read_and_never_collide(root):
    long = "x" * 300
    values = ["a", "A", "a b", "a-b", "a/b", "../a", "a\\b", "é", "ê", "", long, long + "y"]
    text = f"notebook: 1\ngrid: {{name: {json.dumps(values, ensure_ascii=False)}}}\n"
    names = [point.job.slug for point in study.read(write_study(root, text)).points]
    assert len({name.casefold() for name in names}) == len(values)
    assert all(re.fullmatch(r"01_one--[A-Za-z0-9.=_-]+--[0-9a-f]{12}", name) for name in names)
    assert all(len(name) < 120 for name in names)
    assert names[0].startswith("01_one--name=a--")
    again = [point.job.slug for point in study.read(write_study(root, text, name="other")).points]
    assert again == names


def test_finished_points_are_kept_until_their_sources_change(root, ran, capsys):
    path = write_study(root, GRID)
    assert go(path) == 0
    assert len(ran) == 6
    said = capsys.readouterr().out
    assert "6 points, 0 finished before, 6 to run" in said
    assert re.search(r"01_one--seed=2_rate=0.2--[0-9a-f]{12}: executed in 0.1 s", said)
    assert "6 of 6 done" in said
    assert "6 points: 6 executed, 0 kept, 0 failed; read build/studies/tries/index.html" in said
    assert go(path) == 0
    assert len(ran) == 6
    assert "6 finished before, 0 to run" in capsys.readouterr().out

    write_study(root, GRID.replace("[0, 1, 2]", "[0, 1, 2, 3]"))
    assert go(path) == 0
    assert [parameters["seed"] for parameters, _ in ran[6:]] == [3, 3]

    write_notebook(root, RECORD + "\n# changed")
    assert go(path) == 0
    assert len(ran) == 16
    assert go(path, force=True) == 0
    assert len(ran) == 24


@pytest.mark.parametrize("damage", ["executed/*.ipynb", "results/*.json"])
def test_a_damaged_point_is_run_again(root, ran, damage):
    path = write_study(root, GRID)
    go(path)
    victim = next((root / "build/studies/tries").glob(damage.replace("*", "*seed=1_rate=0.2*")))
    victim.write_text(victim.read_text()[:-20])
    assert go(path) == 0
    assert [(p["seed"], p["rate"]) for p, _ in ran[6:]] == [(1, 0.2)]


def test_a_failing_point_stops_no_other_and_is_shown(root, ran, capsys):
    path = write_study(root, "notebook: 1\ngrid: {seed: [0, 1], name: [plain, fail]}\n")
    assert go(path) == 1
    said = capsys.readouterr().out
    assert "4 points: 2 executed, 0 kept, 2 failed" in said
    assert re.search(r"01_one--seed=0_name=fail--\w+: FAILED after 0.1 s: RuntimeError: rate was fail", said)
    home = root / "build/studies/tries"
    page = (home / "index.html").read_text()
    assert "2 points failed" in page
    assert "RuntimeError: rate was fail" in page
    failed = next(home.glob("failed/*seed=1_name=fail*.html")).read_text()
    (command,) = re.findall("<code>(.venv/bin/papermill .*)</code>", failed)
    program, source, _, option, given = shlex.split(html.unescape(command))
    assert (program, source) == (".venv/bin/papermill", "notebooks/01_one.ipynb")
    assert option == "-y"
    assert yaml.safe_load(given) == {"seed": 1, "name": "fail"}
    failures = [path for path in home.glob("failed/*name=fail*.html") if "This run failed" in path.read_text()]
    assert len(failures) == 2
    assert go(path) == 1
    assert len(ran) == 6, "what failed is tried again, what finished is not"
    write_notebook(root, RECORD.replace('name == "fail"', "False"))
    assert go(path) == 0
    assert "failed" not in (home / "index.html").read_text()


def test_what_breaks_outside_of_a_notebook_fails_that_point_alone(root, ran, monkeypatch, capsys):
    store = produce._store

    def full(job, *rest):
        if job.resolved["seed"] == 1:
            raise OSError(28, "No space left on device", "x")
        return store(job, *rest)

    monkeypatch.setattr(produce, "_store", full)
    assert go(write_study(root, "notebook: 1\ngrid: {seed: [0, 1, 2]}\n"), jobs=2) == 1
    said = capsys.readouterr().out
    assert "3 points: 2 executed, 0 kept, 1 failed" in said
    assert "1 point failed" in (root / "build/studies/tries/index.html").read_text()


def test_results_that_are_not_valid_are_a_failure(root, ran, capsys):
    write_notebook(root, RECORD.replace('metric="accuracy", value=v', 'metric="accuracy", value=3'))
    assert go(write_study(root, "notebook: 1\ngrid: {seed: [0]}\n")) == 1
    assert "the results it recorded are not valid" in capsys.readouterr().out
    write_notebook(root, "pass")
    assert go(write_study(root, "notebook: 1\ngrid: {seed: [0]}\n")) == 1
    assert "recorded no results as 01_one" in capsys.readouterr().out


def test_side_by_side_with_threads_pinned(root, ran, monkeypatch):
    monkeypatch.setattr(produce, "cores", lambda: 8)
    meeting = threading.Barrier(2, timeout=200)  # passes only when two run at the same time
    run = produce.execute.run
    monkeypatch.setattr(produce.execute, "run", lambda *a, **k: (meeting.wait(), run(*a, **k))[1])
    assert go(write_study(root, GRID), jobs=2) == 0
    assert {environment["DIGITS_THREADS"] for _, environment in ran} == {"4"}
    monkeypatch.setenv("DIGITS_THREADS", "3")
    assert go(write_study(root, GRID), jobs=2, force=True) == 0
    assert {environment["DIGITS_THREADS"] for _, environment in ran[6:]} == {"3"}


def test_interrupted_it_keeps_what_is_finished(root, ran, monkeypatch):
    store = produce._store
    stored = []

    def interrupted(*arguments):
        if len(stored) == 2:
            raise KeyboardInterrupt
        stored.append(1)
        return store(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(produce, "_store", interrupted)
        path = write_study(root, GRID)
        assert command.main(["study", str(path)]) == 130
    before = len(ran)
    assert go(path) == 0
    assert len(ran) - before == 4
    assert not (root / "build/studies/tries/scratch").exists()


def test_on_a_dask_cluster(root, ran, monkeypatch, capsys):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, host="tcp://127.0.0.1"
    ) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER", cluster.scheduler_address)
        assert go(write_study(root, "notebook: 1\ngrid: {seed: [0, 1], name: [plain, fail]}\n")) == 1
    assert "2 executed, 0 kept, 2 failed" in capsys.readouterr().out
    assert {environment["DIGITS_THREADS"] for _, environment in ran} == {"1"}
    assert {environment["DASK_SCHEDULER"] for _, environment in ran} == {""}


# The page -----------------------------------------------------------------------------------------------------------


def test_numbers_over_points(root, ran):
    path = write_study(root, GRID)
    go(path)
    plan = study.read(path)
    found = study_run.found(plan, {})
    knn, tree = study_page.compared(found)
    assert knn.system == "kNN"
    assert knn.known == pytest.approx([0.90, 0.90, 0.91, 0.91, 0.92, 0.92])
    assert knn.spread == pytest.approx(0.0089443, abs=1e-6)
    assert study_page._axis(found) == "rate"
    curve = study_page._curve(found, knn, "rate", "kNN", "#123456")
    assert list(curve.x) == [0.1, 0.2]
    assert curve.y == pytest.approx([0.91, 0.91])
    assert curve.low == pytest.approx([0.90, 0.90])
    assert curve.high == pytest.approx([0.92, 0.92])
    assert study_page.chosen([knn, tree], ["TREE |"]) == [tree]
    page = (root / "build/studies/tries/index.html").read_text()
    assert "Curves of accuracy against rate" in page
    assert "With rate, tree moves most: from 60.00% at 0.1 to 70.00% at 0.2." in page
    assert '<td class="num">6</td><td class="num">91.00%</td><td class="num">0.89 pp</td>' in page


def test_dots_where_only_the_seed_varies(root, ran):
    path = write_study(root, "notebook: 1\ngrid: {seed: [0, 1, 2]}\n")
    assert go(path) == 0
    page = (root / "build/studies/tries/index.html").read_text()
    assert "Dots of accuracy at each of 3 points" in page
    assert "kNN spreads most, from 90.00% to 92.00%" in page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(browser, root, ran, scheme):
    names = json.dumps(["plain" + PWN, "fail", "plain"])
    path = write_study(
        root, f"title: {json.dumps('Trying ' + PWN)}\nnotebook: 1\ngrid: {{seed: [0, 1], name: {names}}}\n"
    )
    assert go(path) == 1
    home = root / "build/studies/tries"
    for page_path in [
        home / "index.html",
        *sorted(home.glob("01_one*.html"))[:2],
        *sorted(home.glob("failed/*.html"))[:1],
    ]:
        with Visit(browser, page_path, color_scheme=scheme) as visit:
            visit.draw_all()
            page = visit.page
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (luminance(ground) > 0.5) == (scheme == "light")
            assert page.locator("[data-drawn=failed]").count() == 0
            assert visit.sideways() <= 0
            page.set_viewport_size({"width": 390, "height": 844})
            assert visit.sideways() <= 0, "on a phone"
            assert page.evaluate("window.__pwned === undefined")
            assert visit.complaints == []
            assert visit.outside == []


# For real -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_real_study_with_real_kernels(root):
    path = write_study(root, "notebook: 1\ngrid: {name: [plain, fail]}\n")
    arguments = [sys.executable, "-m", "helpers.reporting", "study", str(path), "--jobs", "2"]
    environment = os.environ | {"DIGITS_ROOT": str(root)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 at a time" in done.stdout
    assert "name=fail" in done.stdout
    assert "RuntimeError: rate was fail" in done.stdout
    assert "2 points: 1 executed, 0 kept, 1 failed" in done.stdout
    home = root / "build/studies/tries"
    (executed,) = (path for path in home.glob("executed/*.ipynb") if "failed" not in path.name)
    executed = nbformat.read(executed, as_version=4)
    assert executed.metadata["digits"]["parameters"]["name"] == "plain"
    assert str(root) not in (home / "index.html").read_text()
    assert not list(root.rglob("*.part"))
    assert not (home / "scratch").exists()


STUDIES = sorted((paths.ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_this_repository_give_each_point_its_parameters_and_show_what_is_recorded(path):
    """papermill puts the parameters in; its two cells are run, and what the report found once stands for the rest."""
    plan, wanted = study.read(path), yaml.safe_load(path.read_text(encoding="utf-8"))
    every = [dict(zip(wanted["grid"], values, strict=True)) for values in itertools.product(*wanted["grid"].values())]
    assert len(plan.points) == len(every) >= 5
    for point, expected in zip(plan.points, every, strict=True):
        _, recorded, parameters = produce.task_of(point.job)
        ready = parameterize_notebook(load_notebook_node(str(paths.NOTEBOOKS / f"{recorded}.ipynb")), parameters)
        defaults, injected = (cell for cell in ready.cells if "parameters" in str(cell.metadata.tags))
        exec(defaults.source, declared := {})
        exec(injected.source, given := dict(declared))
        assert given.keys() == declared.keys(), "none that the notebook does not have"
        assert {name: given[name] for name in (*expected, *wanted["fixed"])} == wanted["fixed"] | expected
    found = [study_run.Found(point, results.load(recorded), "", 0.0) for point in plan.points]
    shown = [f"{m.system} {m.split} {m.metric}" for m in study_page.chosen(study_page.compared(found), plan.show)]
    assert shown
    assert all(any(word.casefold() in name.casefold() for name in shown) for word in wanted.get("show", []))
    assert wanted["title"] == plan.title
