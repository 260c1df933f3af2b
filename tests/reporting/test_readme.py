"""The README's table and picture are made, not typed, and they are of this state."""

import ast
import json
import re
import shlex
import subprocess
import sys

import nbformat
import pytest
from PIL import Image

from helpers import results
from helpers.reporting import readme
from helpers.runtime import paths

TEXT = (paths.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_says_what_the_results_say():
    made = readme.updated(TEXT, readme.table())
    assert readme.updated(made, readme.times(), "times") == TEXT, "run `make readme`"


def test_the_tree_is_that_of_the_modules():
    assert readme.updated(TEXT, readme.tree(), "tree") == TEXT, "run `make readme`"
    start, end = readme.MARKERS["tree"]
    told = TEXT.partition(start)[2].partition(end)[0]
    modules = {path for path in (paths.ROOT / "src/helpers").rglob("*.py") if path.name != "__init__.py"}
    assert told.count(".py ") == len(modules), "each module has a line, and says what it is"


def test_a_tree_shows_rooms_and_modules_with_their_own_first_lines(tmp_path):
    package = tmp_path / "helpers"
    (package / "room" / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text('"""Not shown."""')
    (package / "room" / "__init__.py").write_text('"""A room.\n\nMore."""')
    (package / "room" / "inner" / "__init__.py").write_text('"""A room in a room."""')
    (package / "room" / "inner" / "deep.py").write_text('"""Lies deep."""\nx = 1\n')
    (package / "room" / "plain.py").write_text('r"""Says one thing.\n\nAnd another."""\n')
    (package / "room" / "template").mkdir()
    assert [line.split(maxsplit=1) for line in readme.tree(package).splitlines()[1:-1]] == [
        ["src/helpers/"],
        ["room/", "A room."],
        ["inner/", "A room in a room."],
        ["deep.py", "Lies deep."],
        ["plain.py", "Says one thing."],
    ]
    indents = [len(line) - len(line.lstrip()) for line in readme.tree(package).splitlines()[1:-1]]
    assert indents == [0, 2, 4, 6, 4]


def test_every_report_with_results_is_in_the_readme_with_its_answer():
    start, end = readme.MARKERS["reports"]
    block = TEXT.partition(start)[2].partition(end)[0]
    for found in results.load_all():
        line = next(line for line in block.splitlines() if f"(reports/{found.notebook}.html)" in line)
        assert " ".join(found.answer.split()).replace("|", "\\|") in line


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if re.match(r"[a-z]+:", target) or target.startswith("reports/"):
            continue  # what is made by building; tests/browser/test_pages.py opens the pages that are there
        assert (paths.ROOT / target).exists(), target


def test_the_picture_is_small_and_a_picture():
    picture = paths.ROOT / readme.PICTURE
    assert picture.stat().st_size < readme.LARGEST
    assert Image.open(picture).size == (readme.WINDOW["width"], readme.WINDOW["height"])
    assert f"({readme.PICTURE.as_posix()})" in TEXT


def test_a_table_is_made_from_notebooks_and_results(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title | with a bar\n\nText.")])
    nbformat.write(notebook, tmp_path / "03_three.ipynb")
    made = readme.table(tmp_path, tmp_path)
    assert made.splitlines()[-1] == ("| [3. A title \\| with a bar](reports/03_three.html) |  | not executed yet |")


def test_times_are_told_as_they_were_measured(tmp_path):
    assert "Not measured yet" in readme.times(tmp_path / "times.json")
    rows = {"reports": {"what": "`make reports`", "seconds": 125.4, "load": 0.31, "measured": "2020-01-02"}}
    (tmp_path / "times.json").write_text(json.dumps({"machine": "2 cores of X", "rows": rows}))
    made = readme.times(tmp_path / "times.json").splitlines()
    assert made[0] == "In a clone made for it, on 2 cores of X:"
    assert made[-1] == "| `make reports` | 2 min 05 s | 0.3 | 2020-01-02 |"


def test_a_row_says_what_its_processors_spent_and_which_they_were(tmp_path):
    old = {"what": "`make smoke`", "seconds": 60.0, "load": 0.0, "measured": "2020-01-02"}
    new = old | {"what": "`make reports`", "processor_seconds": 90.0, "cores": 2, "machine": "2 cores of Y (family 26)"}
    (tmp_path / "times.json").write_text(json.dumps({"machine": "2 cores of X", "rows": {"smoke": old, "new": new}}))
    made = readme.times(tmp_path / "times.json").splitlines()
    assert made[0] == "In a clone made for it, on 2 cores of X or 2 cores of Y (family 26):"
    assert made[-2] == "| `make smoke` | 1 min 00 s |  | 0.0 | 2020-01-02 | 2 cores of X |"
    spent = "1 min 30 s (75% of 2 cores)"
    assert made[-1] == f"| `make reports` | 1 min 00 s | {spent} | 0.0 | 2020-01-02 | 2 cores of Y (family 26) |"
    assert made[2].count("|") == made[3].count("|") == made[-1].count("|")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody inherits orphans")
def test_processor_time_is_that_of_all_processes_also_of_those_that_nobody_waits_for(tmp_path):
    work = "import time\nwhile time.process_time() < 0.5: pass"
    python = shlex.quote(sys.executable)  # there may be a space in where the environment lies
    script = f"""(exec {python} -c '{work}' &) ; {python} -c '{work}'; sleep 2; exit 3"""
    code = "import sys, series, pathlib; print(series.run(['sh', '-c', sys.argv[1]], pathlib.Path('.')))"
    told = subprocess.run(  # a process of its own: from then on it inherits the orphans of all that it starts
        [sys.executable, "-c", code, script], cwd=paths.ROOT / "benchmarks", capture_output=True, check=True, text=True
    ).stdout
    status, seconds = ast.literal_eval(told)
    assert status == 3
    assert 1.0 <= seconds < 3.0, "two processes of half a second, of which one has no parent that waits for it"


@pytest.mark.parametrize("part", readme.MARKERS)
def test_only_what_stands_between_the_markers_is_replaced(part):
    start, end = readme.MARKERS[part]
    text = f"before\n{start}\nold\n{end}\nafter\n"
    assert readme.updated(text, "new", part) == f"before\n{start}\nnew\n{end}\nafter\n"
    for broken in ("no markers", f"{start} only", f"{end} only"):
        with pytest.raises(ValueError, match=r"README\.md needs"):
            readme.updated(broken, "new", part)
