"""Numbers of figures and tables, their anchors, and links from the words that name them."""

import re

import specimen
from nbformat.v4 import new_markdown_cell, new_notebook

from helpers.reporting.page import numbering, outputs, render

FIGURE = '<figure class="plot"><figcaption><p>Bars</p></figcaption></figure>'
TABLE = '<table class="data"><caption>Sums</caption><tr><td>9</td></tr></table>'


def test_captions_are_numbered_and_what_they_stand_under_gets_the_anchor():
    made = numbering.number(f"{FIGURE}<figure><img></figure>{TABLE}<table><tr></tr></table>{FIGURE}{TABLE}")
    assert re.findall(r'<(figure|table)[^>]* id="([^"]*)"', made) == [
        ("figure", "figure-1"),
        ("table", "table-1"),
        ("figure", "figure-2"),
        ("table", "table-2"),
    ]
    assert '<figcaption><p><a class="number" href="#figure-2">Figure 2.</a> Bars</p>' in made
    assert '<caption><a class="number" href="#table-2">Table 2.</a> Sums</caption>' in made
    assert re.sub(r'<a class="number".*?</a> | id="[^"]*"', "", made) == f"{FIGURE}<figure><img></figure>{TABLE}" + (
        f"<table><tr></tr></table>{FIGURE}{TABLE}"
    )


def test_a_table_within_a_figure_is_numbered_by_itself():
    made = numbering.number(f"<figure>{TABLE}<figcaption>Both</figcaption></figure>")
    assert made.startswith('<figure id="figure-1"><table class="data" id="table-1"><caption>')


def test_words_that_name_one_lead_there():
    said = []
    text = (
        "<h2>Figure 1</h2><p>Figure 1, figures 1 and\n2, (Table 1), table 3; Figure 1 of their paper, "
        "<code>Figure 1</code> <a href='x'>Figure 2</a> 'Tables 1–2'</p>"
    )
    made = numbering.number(FIGURE + FIGURE + TABLE + text, said.append).partition("<h2>")[2]
    assert re.findall(r'<a href="#([^"]*)">([^<]*)</a>', made) == [
        ("figure-1", "Figure 1"),
        ("figure-1", "figures 1"),
        ("figure-2", "2"),
        ("table-1", "Table 1"),
        ("table-1", "Tables 1"),
    ]
    assert said == ["table 3 is named, and there are 1", "table 2 is named, and there are 1"]


def test_numbers_on_a_page_agree_with_their_anchors_and_no_heading_takes_one():
    cells = [
        new_markdown_cell("# T\n\n## Figure 1\n\nSee Figure 2 and Table 1."),
        specimen.timed("a()", specimen.plotly_output({"y": [1]}, alt="A", caption="One")),
        specimen.timed("b()", specimen.plotly_output({"y": [1]}, alt="B", caption="- a list")),
        specimen.timed("c()", {"output_type": "display_data", "metadata": {}, "data": {"text/html": TABLE}}),
        new_markdown_cell("Figure 9"),
    ]
    said = []
    page = render.render_page(new_notebook(cells=cells), slug="x", say=said.append)
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert {"figure-1", "figure-2", "table-1", "figure-1-2"} <= set(ids)
    links = re.findall(r'<a [^>]*href="#((?:figure|table)-[^"]*)"[^>]*>([^<#]+)</a>', page)
    assert ("figure-2", "Figure 2") in links
    assert ("table-1", "Table 1") in links
    assert [words for name, words in links if words.endswith(".")] == ["Figure 1.", "Figure 2.", "Table 1."]
    assert any("figure 9 is named" in words for words in said)
    assert "Figure" not in outputs.words(cells[1].outputs), "the search finds captions without their numbers"
