"""Notebooks as people write, copy, rename and break them: each stands or falls alone, and what is wrong is said."""

import contextlib
import json
import os
import re
import shutil
import subprocess

import nbformat
import pytest
from scratch import lend_data

from helpers.reporting import __main__ as command
from helpers.reporting import produce
from helpers.reporting.page import called
from helpers.reporting.run import code, execute, freshness, plan
from helpers.runtime import paths

PROJECT = paths.ROOT  # before a test moves it
PARAMETERS = 'seed: int = 0\nprofile: str = "standard"'
RECORD = "# record {}"  # a line that the kernel of these tests knows


class Series:
    """A scratch project whose notebooks are run by a kernel that only counts cells and records what it is told."""

    def __init__(self, root, capsys):
        self.root, self.capsys, self.ran = root, capsys, []

    def write(self, slug, *cells, text="# A title\n\nThis it says. And more.", parameters=PARAMETERS):
        made = [nbformat.v4.new_markdown_cell(text)]
        if parameters is not None:
            made.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        made += [nbformat.v4.new_code_cell(cell) for cell in cells]
        for number, cell in enumerate(made):
            cell.id = f"cell-{number}"
        nbformat.write(nbformat.v4.new_notebook(cells=made), self.root / "notebooks" / f"{slug}.ipynb")

    def run(self, source, output, *, parameters, results, limits, progress, environment, idle):
        notebook = nbformat.read(source, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.ran.append(parameters)
        wrote = []
        for number, cell in enumerate(cells, start=1):
            cell.execution_count = number
            for name, value in re.findall(r"^# record (\w+)(?: (\S+))?$", cell.source, re.M):
                row = {"system": "coin", "split": "all", "metric": "heads", "value": 0.5, "n": 40}
                report = {"schema": 1, "notebook": value or name, "profile": "standard", "seed": 0, "rows": [row]}
                results.mkdir(exist_ok=True)
                text = json.dumps(report | {"question": "Heads?", "answer": "Half."})
                (results / f"{name}.json").write_text(text)
            wrote += re.findall(r"^# write (\S+)$", cell.source, re.M)
        nbformat.write(notebook, output)
        return execute.Outcome(0.1, wrote=tuple(wrote))

    def __call__(self, *arguments):
        """Return (exit status, what was said) of a command."""
        self.capsys.readouterr()
        status = command.main([*arguments])
        return status, self.capsys.readouterr().out

    def page(self, name):
        return (self.root / "reports" / f"{name}.html").read_text()


@pytest.fixture
def series(tmp_path, monkeypatch, capsys):
    places = {name: path for name, path in vars(paths).items() if name.isupper()}
    for name, path in places.items():
        monkeypatch.setattr(paths, name, tmp_path / path.relative_to(places["ROOT"]))
    (tmp_path / "data").mkdir()
    (tmp_path / "data").rmdir()
    for name in ("notebooks", "profiles/smoke", "reports"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(paths, "DATA", places["DATA"])
    lend_data(tmp_path)
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    (tmp_path / "requirements.lock").write_text("")
    made = Series(tmp_path, capsys)
    monkeypatch.setattr(produce.execute, "run", made.run)
    return made


# One that cannot be read fails alone -------------------------------------------------------------------------------

BROKEN = {
    "half": (["x = 1", "\ny = (1 +"], ", cell 3, line 2: '(' was never closed"),
    "indented": (["if True:\nx = 1"], ", cell 2, line 2: expected an indented block"),
    "bracket": (["x = [1))"], ", cell 2, line 1: "),
    "in magic company": (["%matplotlib inline\n!ls\nx = = 1"], ", cell 2, line 3: invalid syntax"),
    "quote": (["print('a)"], ", cell 2, line 1: unterminated string"),
    "null": (["x = '\0'"], ", cell 2, line 1: "),
    "deep": (["x = " + "(" * 5000 + ")" * 5000], ", cell 2, line 1: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_code_that_is_no_python_is_named_by_cell_and_line(series, case):
    cells, message = BROKEN[case]
    series.write("01_one", RECORD.format("01_one"))
    series.write("02_two", *cells)
    (job,) = (job for job in plan.plan("standard") if job.error)
    assert job.error.startswith(f"notebooks/02_two.ipynb{message}")


FILES = {
    "cut": (b'{"cells": [', r"notebooks/02_two\.ipynb: "),
    "not a notebook": (b"[]", r"notebooks/02_two\.ipynb: "),
    "no cells": (b"{}", r"notebooks/02_two\.ipynb: "),
    "binary": (b"\xff\xfe\0", r"notebooks/02_two\.ipynb: "),
    "empty": (b"", r"notebooks/02_two\.ipynb: "),
    "a folder": (None, r"notebooks/02_two\.ipynb: .*directory"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_notebook_is_named_and_the_others_are_planned(series, case):
    content, message = FILES[case]
    series.write("01_one", RECORD.format("01_one"))
    path = series.root / "notebooks/02_two.ipynb"
    path.mkdir() if content is None else path.write_bytes(content)
    one, two = plan.plan("standard")
    assert not one.error
    assert re.match(message, two.error), two.error


def test_the_others_are_built_and_the_exit_status_says_so(series):
    series.write("01_one", RECORD.format("01_one"))
    series.write("02_two", "x = (1 +")
    series.write("03_three", text="no title")
    series.write("04_four", parameters="seed: itn = 0")
    series.write("05_five", RECORD.format("05_five"))
    status, said = series("status")
    assert status == 1
    assert "02_two                       cannot be run: notebooks/02_two.ipynb, cell 2, line 1" in said
    status, said = series("build")
    assert status == 1
    assert "02_two: FAILED: notebooks/02_two.ipynb, cell 2, line 1: '(' was never closed" in said
    assert "03_three: FAILED: notebooks/03_three.ipynb: got no title; a text cell that begins with '# '" in said
    assert "04_four: FAILED: notebooks/04_four.ipynb, cell 1, line 1: seed: got the type itn" in said
    assert "2 executed, 2 rendered, 0 already fresh, 3 failed" in said
    assert (series.root / "reports/05_five.html").exists()
    assert "Traceback" not in said
    assert series("build", "--notebook", "05")[0] == 0, "asked for one that is well"


def test_a_report_that_is_broken_later_keeps_its_page_and_its_place(series):
    series.write("01_one", RECORD.format("01_one"), text="# First of all")
    series.write("02_two", RECORD.format("02_two"))
    assert series("build")[0] == 0
    before = series.page("01_one")
    (series.root / "notebooks/01_one.ipynb").write_text("{")
    status, said = series("build")
    assert status == 1
    assert "the last good report, if there is one, stays in place" in said
    assert series.page("01_one") == before
    assert 'title="First of all"' in series.page("02_two")
    assert "out of date: notebooks/01_one.ipynb" in series.page("index")


def test_a_half_typed_helper_is_named(series, monkeypatch, tmp_path):
    package = tmp_path / "src" / "helpers"
    (package / "data").mkdir(parents=True)
    for name in ("__init__.py", "data/__init__.py"):
        (package / name).write_text("")
    (package / "data/mine.py").write_text("x = 1\ndef f(:\n")
    monkeypatch.setattr(freshness.sources, "PACKAGE", package)
    series.write("01_one")
    series.write("02_two", "from helpers.data import mine")
    one, two = plan.plan("standard")
    assert not one.error
    assert two.error.startswith("notebooks/02_two.ipynb: it imports src/helpers/data/mine.py, line 2: ")


# Magics are ordinary Jupyter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline",
        "!ls",
        "%%time\nfrom helpers.data import load",
        "print?",
        "files = !ls\nx = %time 3",
        "    x = 1",
        "%%bash\nfor i in a; do\n echo $i\ndone",
        "%%html\n<b>x</b>",
        "%%capture found\n%%time\n!ls",
        "await f()",
        "for x in range(3):\n    %time x\n    !ls",
    ],
)
def test_magics_are_no_mistakes(source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    compile(code.of_notebook(notebook), "x", "exec", flags=0x2000)  # with await at the top


def test_what_a_magic_is_given_counts_as_code():
    cells = [
        "%matplotlib inline\nimport pandas",
        "%%time\n!ls\nfrom helpers.data import load",
        "results.load('03_knn')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    text = code.of_notebook(notebook)
    assert "data/load.py" in {
        path.relative_to(freshness.sources.PACKAGE).as_posix() for path in freshness.sources.closure(text)
    }
    assert freshness.loaded_results(text) == ["03_knn"]
    assert freshness.loaded_results(code.of_cell("%time found = results.load('04_x')")) == ["04_x"]


def test_a_page_links_helpers_beside_magics_and_beside_what_is_no_python():
    cells = ["%matplotlib inline\nfrom helpers.figures import style", "x = (1 +", "%time style.show_source(f)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    assert [helper.name for helper in called.helpers(notebook)] == ["style.show_source"]


# Adding, duplicating, renaming, deleting ----------------------------------------------------------------------------


def test_a_title_is_all_that_a_notebook_needs(series):
    series.write("01_one", RECORD.format("01_one"))
    series.write("02_two", "print(1)", parameters=None, text="# Mine\n\nThis e.g. it says, at 3.5 per cent. And more.")
    for profile, home in (("standard", "reports"), ("smoke", "build/smoke")):
        status, said = series("build", "--profile", profile)
        assert status == 0, said
        assert "2 executed" in said
        assert not (series.root / home / "results/02_two.json").exists()
        index = (series.root / home / "index.html").read_text()
        assert re.search(
            r'href="02_two.html">Mine</a></h3>\s*<p class="answer">This e.g. it says, at 3.5 per cent.</p>', index
        )
        assert ">up to date<" in index
    assert sorted(map(str, series.ran)) == ["{'profile': 'smoke'}", "{}", "{}", "{}"], "no file, and no parameters"
    assert "2 already fresh" in series("build")[1]


def test_names_that_are_no_report_are_named_and_skipped(series):
    series.write("01_one", RECORD.format("01_one"))
    for name in ("01_one-Copy1", "Untitled", ".~01_one", "1_x", "02 mine"):
        shutil.copy(series.root / "notebooks/01_one.ipynb", series.root / f"notebooks/{name}.ipynb")
    (series.root / "profiles/smoke/09_gone.yaml").write_text("profile: smoke\n")
    for asked in (("status",), ("build",), ("build", "--profile", "smoke"), ("status", "--profile", "full")):
        status, said = series(*asked)
        assert status == 0, said
        skipped = re.findall("notebooks/(.*) is skipped: a report is named by two digits, _, then letters", said)
        assert skipped == ["01_one-Copy1.ipynb", "02 mine.ipynb", "1_x.ipynb", "Untitled.ipynb"]
        assert ("profiles/smoke/09_gone.yaml is skipped" in said) == ("smoke" in asked)
    assert len(series.ran) == 2
    assert not list((series.root / "reports").glob("*Copy1*"))


def test_a_duplicate_by_another_name_must_not_take_the_results(series):
    series.write("01_one", RECORD.format("01_one"))
    assert series("build")[0] == 0
    kept = (series.root / "reports/results/01_one.json").read_bytes()
    shutil.copy(series.root / "notebooks/01_one.ipynb", series.root / "notebooks/02_two.ipynb")
    series.write("03_three", RECORD.format("03_three"), "# write reports/results/01_one.json")
    series.write("04_four", "# record 04_four 01_one")
    status, said = series("build")
    assert status == 1
    assert re.search(
        "02_two: FAILED .*results.save: got '01_one'; a notebook records under its own name, '02_two'", said
    )
    assert re.search("03_three: FAILED .*reports/results/01_one.json was written by a cell", said)
    assert re.search("04_four: FAILED .*the results it recorded are of '01_one'; '04_four' is allowed", said)
    assert "0 executed" in said
    assert (series.root / "reports/results/01_one.json").read_bytes() == kept


def links(page):
    """Return what a page says stands before and after it, above and below."""
    above = re.findall(r'href="(\w+).html" rel="(prev|next)"', page)
    below = re.findall(r'class="(back|forth)" href="(\w+).html"', page)
    return {kind: slug for slug, kind in above}, dict(below)


def test_the_report_before_gets_its_next_without_being_run(series):
    series.write("01_one", RECORD.format("01_one"))
    series.write("02_two", RECORD.format("02_two"))
    assert series("build")[0] == 0
    shutil.rmtree(series.root / "build")  # as in a fresh clone
    assert links(series.page("01_one")) == ({"next": "02_two"}, {"forth": "02_two"})
    assert links(series.page("02_two")) == ({"prev": "01_one"}, {"back": "01_one"})
    series.write("03_three", RECORD.format("03_three"), text="# Third <b> & last")
    series.write("04_four", "x = (1 +")
    assert series("build", "--notebook", "03")[0] == 0
    assert len(series.ran) == 3
    assert links(series.page("02_two")) == (
        {"prev": "01_one", "next": "03_three"},
        {"back": "01_one", "forth": "03_three"},
    )
    assert links(series.page("03_three")) == ({"prev": "02_two"}, {"back": "02_two"}), (
        "what has no page is no neighbour"
    )
    assert 'title="Third &lt;b&gt; &amp; last"' in series.page("02_two")
    assert "not the page that was rendered" not in series("status")[1]
    before = series.page("02_two")
    assert series("build", "--notebook", "03")[0] == 0
    assert series.page("02_two") == before


def test_a_renamed_or_deleted_notebook_takes_what_it_left_with_it(series):
    series.write("01_one", RECORD.format("01_one"))
    series.write("02_two", RECORD.format("02_two"))
    series.write("03_three", RECORD.format("03_three"))
    assert series("build")[0] == 0
    reports = series.root / "reports"
    kept = {path.relative_to(reports): path.read_bytes() for path in reports.rglob("02_two.*")}
    assert len(kept) >= 3
    (series.root / "notebooks/02_two.ipynb").unlink()
    (series.root / "notebooks/03_three.ipynb").write_text("{")  # broken is not gone
    status, said = series("build", "--notebook", "01")
    assert status == 0
    assert "02_two: the notebook is gone; its page, results and manifest entry went to build/removed/02_two" in said
    assert "git restore reports" in said
    assert not list(reports.rglob("02_two.*"))
    assert sorted(json.loads((series.root / "reports/manifest.json").read_text())) == ["01_one", "03_three"]
    removed = series.root / "build/removed/02_two/reports"
    assert {path.relative_to(removed): path.read_bytes() for path in removed.rglob("*.*")} == kept
    assert links(series.page("01_one"))[0] == {"next": "03_three"}
    assert "02_two" not in series.page("index")
    assert "is gone" not in series("build", "--notebook", "01")[1]


def test_without_any_notebook_nothing_is_taken_away(series):
    series.write("01_one", RECORD.format("01_one"))
    assert series("build")[0] == 0
    (series.root / "notebooks/01_one.ipynb").unlink()
    status, said = series("build")
    assert status == 2
    assert "notebooks/: got no report; at least one is needed" in said
    assert (series.root / "reports/01_one.html").exists()


# Files that are valid and wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "noted"),
    [("{}", True), ("{}", False), ("[]", False), ("{", False), ('{"schema": 1, "rows": []}', True)],
)
def test_results_that_say_nothing_are_made_again_and_stop_no_other(series, text, noted):
    series.write("01_one", RECORD.format("01_one"))
    series.write("02_two", RECORD.format("02_two"))
    assert series("build")[0] == 0
    path = series.root / "reports/results/01_one.json"
    good = path.read_bytes()
    path.write_text(text)
    if not noted:  # as in a manifest of earlier days
        manifest = series.root / "reports/manifest.json"
        known = json.loads(manifest.read_text())
        for entry in known.values():
            del entry["results"]
        manifest.write_text(json.dumps(known))
    wrong = "is not what was written" if "rows" in text else "is damaged"
    assert f"stale: reports/results/01_one.json {wrong}" in series("status")[1]
    assert series("build", "--notebook", "02")[0] == 0
    assert "out of date: " in series.page("index")
    assert series("build")[0] == 0
    assert path.read_bytes() == good
    assert len(series.ran) == 3


def test_results_that_another_has_replaced_are_noticed(series):
    series.write("01_one", RECORD.format("01_one"))
    assert series("build")[0] == 0
    path = series.root / "reports/results/01_one.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    assert "01_one.json is not what was written" in series("status")[1]
    path.unlink()
    assert "01_one.json is missing" in series("status")[1]
    series.write("01_one")  # and records nothing any more
    assert series("build")[0] == 0
    assert "fresh" in series("status")[1]
    path.write_text('{"rows": []}')
    assert "01_one.json is not what was written" in series("status")[1]


@pytest.mark.parametrize("option", ["--timeout", "--cell-timeout", "--memory"])
@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1", "-inf"])
def test_a_limit_is_a_number(series, option, value):
    series.write("01_one")
    status, said = series("build", f"{option}={value}")
    assert status == 2
    assert f"{option[2:].replace('-', '_').upper()}: got {float(value)}; a finite number above 0 is allowed" in said
    assert series.ran == []


@pytest.mark.parametrize(("seconds", "told"), [(0.2, 1), (1.0, 1), (1.5, 2), (604800.0, 604800), (1e300, 2_000_000)])
def test_a_cell_limit_below_a_second_is_one(tmp_path, monkeypatch, seconds, told):
    """papermill takes 0 for no limit at all."""
    jobs = []

    def worker(*arguments, **how):
        class Stdin:
            def write(self, text):
                jobs.append(json.loads(text))
                raise KeyboardInterrupt

        class Worker:
            pid, stdin, stdout, stderr = os.getpid(), Stdin(), None, None

        return Worker()

    monkeypatch.setattr(execute.subprocess, "Popen", worker)
    monkeypatch.setattr(execute, "_end", lambda *arguments: None)
    monkeypatch.setattr(execute, "end_marked", lambda mark: None)
    with contextlib.suppress(KeyboardInterrupt):
        execute.run(tmp_path, tmp_path / "o.ipynb", parameters={}, results=tmp_path, limits=execute.Limits(9, seconds))
    assert jobs[0]["cell_timeout"] == told


# make run -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["sed=7"], "01_one: unknown parameter 'sed'; the notebook has: seed, profile, penalties, name"),
        (["seed=many"], "01_one: parameter seed must be int, got 'many'"),
        (["seed=7.5"], "parameter seed must be int, got 7.5"),
        (["penalties=[1, x]"], r"parameter penalties must be list\[float\]"),
        (["seed"], "got 'seed'; NAME=VALUE is allowed"),
        (["--out=notebooks/01_one.ipynb"], "OUT: got notebooks/01_one.ipynb; a file NAME.ipynb outside of notebooks"),
        (["--out=out.html"], "OUT: got out.html"),
    ],
)
def test_a_run_by_hand_refuses_what_the_notebook_does_not_have(series, monkeypatch, given, message):
    monkeypatch.chdir(series.root)
    series.write("01_one", parameters=PARAMETERS + '\npenalties: list[float] = [1.0]\nname: str = ""')
    status, said = series("run", "1", *given)
    assert status == 2
    assert re.search(message, said), said
    assert series.ran == []


def test_a_run_by_hand_leaves_notebook_and_page_and_no_report(series, monkeypatch):
    monkeypatch.chdir(series.root)
    parameters = PARAMETERS + '\npenalties: list[float] = [1.0]\nname: str = ""'
    series.write("01_one", RECORD.format("01_one"), parameters=parameters)
    status, said = series("run", "01", "seed=7", "penalties=[1, 1e-3]", "name=010", "--out", "mine/out.ipynb")
    assert status == 0, said
    assert series.ran == [{"seed": 7, "penalties": [1, 0.001], "name": "010"}]
    notebook = nbformat.read(series.root / "mine/out.ipynb", as_version=4)
    assert notebook.metadata["digits"]["parameters"]["seed"] == 7
    assert "A title" in (series.root / "mine/out.html").read_text()
    assert (series.root / "build/results/01_one.json").exists()
    assert not list((series.root / "reports").iterdir())
    assert series("run", "01_one", "--profile", "smoke")[0] == 0
    assert series.ran[-1] == {"profile": "smoke"}
    assert (series.root / "build/by_hand/01_one.html").exists()
    series.write("01_one", "# record other")
    status, said = series("run", "01")
    assert status == 1
    assert "01_one: FAILED" in said


def test_make_hands_on_every_variable_of_its_command_line_that_is_no_option(tmp_path):
    """The real recipe, with a program in place of Python that prints what it is given."""
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    text = re.sub(r"^BIN := .*$", "BIN := bin", text, flags=re.M).replace("run: $(STAMP) ", "run: ")
    (tmp_path / "Makefile").write_text(text)
    (tmp_path / "requirements.lock").write_text("")
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    given = {"seed": "7", "penalties": "[1, 10]", "name": """it's "mine"; `x`""", "sed": "", "NOTBOOK": "2"}
    options = ["NOTEBOOK=02", "OUT=my out.ipynb", "TIMEOUT=60", "PROFILE=smoke", "JOBS=2"]
    asked = ["make", "-s", "run", *options, *(f"{name}={value}" for name, value in given.items())]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    before, after = done.stdout.split("--\n02\n")
    expected = ["-m", "helpers.reporting", "run", "--profile", "smoke", "--out", "my out.ipynb", "--timeout", "60"]
    assert before.splitlines() == expected, done.stderr
    assert sorted(after.splitlines()) == sorted(f"{name}={value}" for name, value in given.items())
