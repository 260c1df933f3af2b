"""What pages have besides their notebook: helpers and their source, the glossary, the notebook itself, citations."""

import ast
import json
import re

import nbformat
import pytest
import specimen
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.figures import atlas, style
from helpers.reporting.page import called, card, extras, glossary, outputs, prose, render
from helpers.results import claims, load_all
from helpers.runtime import paths

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
CODE = """from helpers import results
from helpers.data import load
from helpers.figures import style as look
from helpers.models.augmentation import Warp
split = load.make_split("standard", seed=seed)
look.table(split.load)
colours = look.PALETTE
results.save("x", [results.accuracy_row])
Warp()
other.load.make_split()
"""


def notebook(code=CODE):
    return new_notebook(cells=[new_markdown_cell("# A title <script>"), new_code_cell(code)])


def test_helpers_are_found_by_the_name_they_are_called_by():
    found = {helper.name: helper for helper in called.helpers(notebook())}
    assert list(found) == ["load.make_split", "look.table", "results.save", "results.accuracy_row", "Warp"]
    assert found["look.table"].path == "src/helpers/figures/style.py"
    assert found["results.save"].path == "src/helpers/results/report.py", "followed through the package"
    for helper in found.values():
        lines = (paths.ROOT / helper.path).read_text(encoding="utf-8").splitlines()
        assert lines[helper.line - 1] == helper.source.splitlines()[0]
        (defined,) = ast.parse(helper.source).body
        assert defined.name == helper.name.split(".")[-1]


def test_a_magic_hides_no_helper():
    assert called.helpers(notebook("%matplotlib inline\n" + CODE)) == called.helpers(notebook(CODE)) != []
    assert called.helpers(notebook("x = 1")) == []


def test_calls_in_shown_code_lead_to_the_source_and_nothing_else_does():
    made = notebook()
    html = called.link(str(prose.python_html(CODE)), called.helpers(made))
    links = re.findall(r'<a href="#([\w-]+)">(\w+)</a>', html)
    assert links == [
        ("source-Warp", "Warp"),
        ("source-load-make_split", "make_split"),
        ("source-look-table", "table"),
        ("source-results-save", "save"),
        ("source-results-accuracy_row", "accuracy_row"),
        ("source-Warp", "Warp"),
    ]
    assert re.sub(r"</?a\b[^>]*>", "", html) == str(prose.python_html(CODE)), "nothing but links was added"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_call_that_is_linked_has_its_source_on_the_page(path):
    source = nbformat.read(path, as_version=4)
    where = f"notebooks/{path.stem}.ipynb"
    page = extras.add(render.render_page(source, slug=path.stem), source, path.stem, download=where)
    links, anchors = (re.findall(rf'{what}="#?(source-[\w-]+)"', page) for what in ("href", "id"))
    assert len(set(links)) > 5
    assert set(links) <= set(anchors)
    assert len(anchors) == len(set(anchors))
    assert f'href="{where}" download' in page
    assert 'class="term" href="glossary.html#' in page
    names = re.findall(r'href="glossary\.html#([\w-]+)"', page)
    assert len(names) == len(set(names)), "each term is linked once"


def test_a_listing_is_the_source_and_cannot_be_markup():
    source = 'def f(x):\n    """Say <b>."""\n    return x < 1  # & so on'
    text = re.sub(r"<[^>]*>", "", str(extras.listing(source)))
    assert text == source.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")


def test_extras_escape_what_a_notebook_says_of_itself():
    hostile = specimen.notebook(hostile=True)
    before = render.render_page(hostile, slug="02_x")
    page = extras.add(before, hostile, "02_x")
    added = page[page.rindex("</article>") :]
    assert "<script" not in added.replace("</script", "")
    assert "notebooks/" not in added
    made = notebook()
    made.metadata["digits"] = {"commit": "<b>", "executed_at": "2026-01-01"}
    assert "<b>" not in extras.add(render.render_page(made, slug="a"), made, "a").split("</article>")[-1]


def test_terms_are_linked_at_their_first_use_in_prose():
    text = (
        "<h2>McNemar's test</h2><p>A <code>logit</code>, <a href='x'>softmax</a> &amp; <em>percentage\npoints</em>;"
        " softmax. <b>Logits</b> and logits, non-softmax</p><table><tr><td>dropout</td></tr></table><p>dropout</p>"
    )
    linked = glossary.link(text)
    assert re.findall(r'<a class="term" href="glossary.html#([\w-]+)">([^<]*)</a>', linked) == [
        ("percentage-point", "percentage\npoints"),
        ("softmax", "softmax"),
        ("logit", "Logits"),
        ("dropout", "dropout"),
    ]
    assert re.sub(r'<a class="term"[^>]*>([^<]*)</a>', r"\1", linked) == text
    assert "<td>dropout" in linked


def test_works_and_projects_are_linked_where_the_page_does_not_say_where_they_are():
    text = "<p>QMNIST (Yadav and\nBottou, 2019), by Chow's rule; QMNIST; NF264 Project 2 and Hand-written-digits</p>"
    linked = glossary.link(text)
    assert [words for _, words in re.findall(r'<a href="(https://[^"]*)">([^<]*)</a>', linked)] == [
        "QMNIST",
        "Yadav and\nBottou",
        "Chow's rule",
        "Hand-written-digits",
    ]
    assert '<a class="term" href="glossary.html#nf264-project-2">NF264 Project 2</a>' in linked
    there = (
        f'<p><a href="{glossary.project("Hand-written-digits")}">see</a> Hand-written-digits, hand-written-digits</p>'
    )
    assert glossary.link(there) == there


def test_a_chart_is_left_as_it_is():
    island = '<script type="application/json">{"a": "softmax \\u003cp"}</script><figcaption>softmax</figcaption>'
    assert glossary.link(f"<figure>{island}</figure>") == f"<figure>{island}</figure>"


def test_the_glossary_explains_each_term_once_and_can_be_linked_to(tmp_path):
    glossary.write(tmp_path)
    page = (tmp_path / "glossary.html").read_text(encoding="utf-8")
    for each in glossary.terms():
        assert page.count(f'<dt id="{prose.anchor(each["term"])}">') == 1
        for words in each.get("words", [each["term"]]):
            assert f"#{prose.anchor(each['term'])}" in glossary.link(f"<p>{words}</p>"), words
    for name in ("Wilson", "Newcombe", "McNemar", "Percentage point", "Calibration", "Reject option"):
        assert name in page
    for project in claims()["source"].unique():
        address = glossary.project(project)
        assert f'<a href="{address}"' in page or f'id="{address.partition("#")[2]}"' in page, project
    # Whoever answers a claim of a project examines it: as the committed results say.
    answered = {(report.notebook, row.claim_id) for report in load_all() for row in report.rows if row.claim_id}
    for notebook, claim_id in answered:
        text = next(each["text"] for each in glossary.projects() if each["name"] == claims().loc[claim_id, "source"])
        assert f"({notebook}.ipynb)" in text, (notebook, claim_id)
    before = (tmp_path / "glossary.html").stat().st_mtime_ns
    glossary.write(tmp_path)
    assert (tmp_path / "glossary.html").stat().st_mtime_ns == before, "the same page is not written again"


def test_the_notebook_to_download_has_its_outputs_and_a_weight(tmp_path):
    big = new_output("display_data", data={"image/png": "A" * 2 * extras.LARGEST, "text/plain": "a picture"})
    cards = new_output("display_data", data={atlas.MIME: {"cards": []}, "image/png": "AAAA"})
    printed = new_output("stream", name="stdout", text="y" * 2 * extras.LARGEST)
    made = new_notebook(cells=[new_code_cell("x", outputs=[big, cards, printed], execution_count=1)])
    made.cells[0].metadata["papermill"] = {"duration": 1.0}
    before = json.dumps(made)
    extras.write(tmp_path, made, "12_mine")
    assert json.dumps(made) == before
    copy = nbformat.read(tmp_path / "notebooks" / "12_mine.ipynb", as_version=4)
    nbformat.validate(copy)
    first, second, third = copy.cells[0].outputs
    assert (first.data, second.data) == ({"text/plain": "a picture"}, {"image/png": "AAAA"})
    assert len(third.text) < 1.1 * extras.LARGEST
    assert "papermill" not in copy.cells[0].metadata


def test_how_to_cite_says_what_citation_cff_says():
    cff = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cff["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license"} <= set(cff)
    about = {"executed_at": "2026-11-21T14:00:00+00:00", "commit": "0123abc"}
    sentence, entry = extras.citation("Every mistake", "08_x", about), extras.bibtex("Every mistake", "08_x", about)
    for text in (sentence, entry):
        for part in (cff["authors"][0]["name"], "2026", "Every mistake", cff["title"], cff["version"], "0123abc"):
            assert part in text
    assert "report 08" in sentence
    assert entry.count("{") == entry.count("}")


def test_a_caption_for_editors_is_on_the_page_once():
    picture = new_output(
        "display_data", data={"image/png": specimen_png()}, metadata={"image/png": {"alt": "a", "caption": "It rises."}}
    )
    caption = new_output("display_data", data={"text/markdown": "It rises."}, metadata=style.CAPTION)
    assert str(outputs.to_html([picture, caption])).count("It rises.") == 1
    assert outputs.words([picture, caption]).count("It rises.") == 1
    cells = [new_markdown_cell("# T"), new_code_cell("x", outputs=[picture, caption])]
    assert json.dumps(card.sections(new_notebook(cells=cells))).count("It rises.") == 1


def specimen_png() -> str:
    import base64

    import numpy as np

    return base64.b64encode(atlas.png(np.zeros((2, 2), np.uint8))).decode()
