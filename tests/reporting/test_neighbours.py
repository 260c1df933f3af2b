"""From executed notebooks to pages: each output under its own cell, and the way to the report before and after."""

import json
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from scratch import lend_data

from helpers.reporting import build, produce
from helpers.reporting.page import pages
from helpers.reporting.run import execute
from helpers.reporting.run.terminal import Terminal
from helpers.runtime import paths


def source(title, *code):
    cells = [
        new_markdown_cell(f"# {title}\n\nProse."),
        new_code_cell('seed: int = 0\nprofile: str = "standard"', metadata={"tags": ["parameters"]}),
        *(part for each in code for part in (new_markdown_cell(f"## About {each}"), new_code_cell(each))),
    ]
    return new_notebook(cells=cells)


def executed(notebook, **parameters):
    """Return a notebook as papermill leaves it: parameters injected, each cell's output says which cell it was."""
    done = nbformat.from_dict(notebook)
    at = next(i for i, cell in enumerate(done.cells) if "parameters" in cell.metadata.get("tags", [])) + 1
    if parameters:
        words = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        done.cells.insert(at, new_code_cell(words, metadata={"tags": ["injected-parameters"]}))
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.outputs, cell.execution_count = [new_output("stream", text=f"said by {cell.source!r}")], count
        cell.metadata["papermill"] = {"duration": float(count)}
    return done


@pytest.mark.parametrize("parameters", [{}, {"seed": 7}])
def test_every_output_stands_under_the_cell_that_gave_it(parameters):
    """The prose is new, the numbers stand: nothing but the order of the cells says which output is whose."""
    done = executed(source("Old words", "a = 1", "b = a + 1", "c = b + 1"), **parameters)
    merged = pages.merge(source("New words", "a = 1", "b = a + 1", "c = b + 1"), done)
    code = [cell for cell in merged.cells if cell.cell_type == "code"]
    assert len(code) == 4 + bool(parameters)
    for count, cell in enumerate(code, start=1):
        assert [output.text for output in cell.outputs] == [f"said by {cell.source!r}"]
        assert (cell.execution_count, cell.metadata["papermill"]["duration"]) == (count, count)
    prose = [cell.source for cell in merged.cells if cell.cell_type == "markdown"]
    assert prose == ["# New words\n\nProse.", *(f"## About {each}" for each in ("a = 1", "b = a + 1", "c = b + 1"))]
    injected = [i for i, cell in enumerate(merged.cells) if "injected-parameters" in cell.metadata.get("tags", [])]
    assert injected == ([2] if parameters else []), "right after the defaults that it replaces"


def test_a_page_leads_to_the_report_before_and_to_the_one_after(tmp_path, monkeypatch):
    places = {name: getattr(paths, name) for name in ("ROOT", "NOTEBOOKS", "PROFILES", "REPORTS", "RESULTS", "BUILD")}
    for name, path in places.items():
        monkeypatch.setattr(paths, name, tmp_path / path.relative_to(places["ROOT"]))
    paths.NOTEBOOKS.mkdir()
    lend_data(tmp_path)
    (tmp_path / "requirements.lock").write_text("")
    slugs = ["01_one", "02_two", "03_three"]
    for slug in reversed(slugs):
        nbformat.write(source(f"Title of {slug}", f"name = {slug!r}"), paths.NOTEBOOKS / f"{slug}.ipynb")

    def run(path, output, *, results, **how):
        notebook = nbformat.read(path, as_version=4)
        slug = notebook.cells[0].source.split()[3]
        row = {"system": "coin", "split": "all", "metric": "heads", "value": 0.5, "n": 40}
        about = {"schema": 1, "notebook": slug, "profile": "standard", "seed": 0, "question": "?", "answer": "So."}
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{slug}.json").write_text(json.dumps(about | {"rows": [row]}))
        nbformat.write(executed(notebook), output)
        return execute.Outcome(0.1, None, None, ())

    monkeypatch.setattr(produce.execute, "run", run)  # in this process, which is quick
    monkeypatch.setattr(build.try_page, "refresh", lambda *given, **more: True)
    assert build.build("standard", only=None, force=False, limits=execute.Limits(), terminal=Terminal()) == 0
    found = {}
    for slug in slugs:
        page = (paths.REPORTS / f"{slug}.html").read_text(encoding="utf-8")
        head = re.findall(r'<a href="(\S+)" rel="(\w+)" title="([^"]*)"', page)
        foot = re.findall(r'<a class="(back|forth)" href="([^"]*)"', page)
        found[slug] = {rel: (href, title) for href, rel, title in head}, dict(foot)
    one, two, three = ((f"{slug}.html", f"Title of {slug}") for slug in slugs)
    assert found["01_one"] == ({"next": two}, {"forth": two[0]})
    assert found["02_two"] == ({"prev": one, "next": three}, {"back": one[0], "forth": three[0]})
    assert found["03_three"] == ({"prev": two}, {"back": two[0]})
