"""The README's table and picture are made, not typed, and they are of this state."""

import re

import nbformat
import pytest
from PIL import Image

from helpers import paths, results
from helpers.reporting import readme

TEXT = (paths.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_says_what_the_results_say():
    made = readme.updated(TEXT, readme.table())
    assert made == TEXT, "run `make readme`"


def test_every_report_with_results_is_in_the_readme_with_its_answer():
    block = TEXT.partition(readme.START)[2].partition(readme.END)[0]
    for found in results.load_all():
        line = next(line for line in block.splitlines() if f"(reports/{found.notebook}.html)" in line)
        assert " ".join(found.answer.split()).replace("|", "\\|") in line


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if re.match(r"[a-z]+:", target) or target.startswith("reports/"):
            continue  # what is made by building; tests/test_browser.py opens the pages that are there
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


def test_only_what_stands_between_the_markers_is_replaced():
    text = f"before\n{readme.START}\nold\n{readme.END}\nafter\n"
    assert readme.updated(text, "new") == f"before\n{readme.START}\nnew\n{readme.END}\nafter\n"
    for broken in ("no markers", f"{readme.START} only", f"{readme.END} only"):
        with pytest.raises(ValueError, match=r"README\.md needs"):
            readme.updated(broken, "new")
