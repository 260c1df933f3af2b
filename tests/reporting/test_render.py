"""A page shows everything a notebook left behind, and nothing in it can run."""

import base64
import gzip
import html.parser
import io
import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import specimen
from PIL import Image
from plotly.offline import get_plotlyjs_version

from helpers.reporting.page import outputs, pictures, plotly, prose, render, site

VOID = {"meta", "link", "br", "hr", "img", "col", "input", "circle", "line"}
VOID_IN_SVG = {"circle", "line"}


class Reader(html.parser.HTMLParser):
    """Collect elements, attributes and text as a browser's parser would see them."""

    def __init__(self):
        super().__init__()
        self.elements, self.stack, self.text, self.islands, self.broken = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.stack or self.stack.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, text):
        (self.islands if self.stack and self.stack[-1] == "script" else self.text).append(text)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def page_of(notebook, **more) -> str:
    return render.render_page(notebook, **{"slug": "02_specimen", "previous": None, "next": None, "commit": {}} | more)


@pytest.fixture(scope="module")
def hostile():
    return read(
        page_of(
            specimen.notebook(),
            previous=("01_eda", "Before" + specimen.IMAGE),
            next=("03_knn", "After" + specimen.SCRIPT),
        )
    )


def everything_inert(reader: Reader, *, own_scripts: set[str]) -> None:
    for tag, attributes in reader.elements:
        assert tag not in {"iframe", "object", "embed", "form", "base", "style", "template"}, tag
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "action", "formaction"):
            value = (attributes.get(name) or "").strip().lower()
            assert not value.startswith(("javascript:", "vbscript:", "data:text")), value
        if tag == "script":
            assert attributes.get("type") == "application/json" or attributes.get("src") in own_scripts
        if tag == "img":
            assert attributes["src"].startswith("data:image/")
    assert [each["http-equiv"] for each in reader.of("meta") if "http-equiv" in each] == ["Content-Security-Policy"]


def test_nothing_hostile_survives(hostile):
    everything_inert(hostile, own_scripts={"assets/report.js", "assets/plotly.min.js"})
    assert "safe words stay" in " ".join(hostile.text)
    assert specimen.SCRIPT in " ".join(hostile.text), "a hostile string is shown as the text it is"


def test_styles_and_formulas_keep_only_what_draws():
    cleaned = outputs.bundle_html({"text/html": specimen.HOSTILE_TABLE, "text/plain": "a table"}, {})
    assert re.findall(r'style="([^"]*)"', cleaned) == ["color: red; background-color: yellow".replace("; ", "; ")]
    formula = prose.to_html(specimen.HOSTILE_MARKDOWN)[0]
    assert set(re.findall(r"</?(m\w*)", formula)) <= {"math", "mrow", "mi", "mo", "mn", "mtext", "mstyle"}
    assert "href=" not in formula.partition("</math>")[0]


@pytest.mark.parametrize("outside", ["/etc/hostname", "../../../../../../../../../../etc/hostname", "link.png"])
def test_no_picture_from_outside_the_project(tmp_path, outside):
    secret, folder = tmp_path / "secret.png", tmp_path / "project"
    folder.mkdir()
    secret.write_bytes(specimen.png(2, 2))
    (folder / "link.png").symlink_to(secret)
    (folder / "mine.png").write_bytes(specimen.png(2, 2))
    said = []
    around = pictures.Around(folders=(folder,), say=said.append)
    assert "<img" in prose.to_html("![mine](mine.png)", around=around)[0]
    for url in (outside, "../secret.png", str(secret), secret.as_uri()):
        assert "<img" not in prose.to_html(f"![alt]({url})", around=around)[0]
    assert len(said) == 4


def test_a_page_keeps_to_its_budget_and_says_what_it_cut():
    big = nbformat.v4.new_output("execute_result", data={"text/plain": repr("y" * 60_000_000)})
    many = [nbformat.v4.new_output("display_data", data={"text/plain": f"shown {i}"}) for i in range(3000)]
    rows = [nbformat.v4.new_output("stream", name="stdout", text=f"{'z' * 300}{i}\n") for i in range(1200)]
    cells = [specimen.timed("'y' * 60_000_000", big), specimen.timed("many()", *many)]
    cells += [specimen.timed(f"rows({i})", *rows) for i in range(8)]
    said = []
    page = page_of(nbformat.v4.new_notebook(cells=cells), say=said.append)
    assert len(page.encode()) <= 1_500_000
    assert "60,000,002 characters" in page
    assert "2,700 more outputs of this cell are left out" in page
    assert "02_specimen, cell 2: 2,700 more outputs of this cell are left out" in said
    assert any("shortened or left out" in words for words in said)


def test_a_moving_picture_stands_still_with_a_word():
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("teal", "orange")]
    for kind in ("GIF", "WEBP"):
        moving, one = io.BytesIO(), io.BytesIO()
        frames[0].save(moving, kind, save_all=True, append_images=frames[1:], duration=100)
        frames[0].save(one, kind)
        shown, plain = (
            outputs.image_html(f"image/{kind.lower()}", base64.b64encode(each.getvalue()).decode(), {})
            for each in (moving, one)
        )
        assert "data:image/png" in shown
        assert "It moves in the notebook" in shown
        assert f"data:image/{kind.lower()}" in plain
        assert "moves" not in plain
        data = base64.b64encode(moving.getvalue()).decode()
        assert "its first frame" in prose.to_html(f"![m](data:image/{kind.lower()};base64,{data})")[0]


def test_a_stylers_rules_become_styles_as_far_as_they_are_safe():
    sheet = """#T_a tr:hover { background-color: navy; } #T_a th.col1 { width: 240px; padding: 9999px }
    #T_a td:nth-child(2) { border: 1px solid red; width: 99999px; } #T_a td:hover { background: url(x) }"""
    table = '<table id="T_a"><tr><th class="col1">n</th><td>p</td></tr></table>'
    cleaned = outputs.bundle_html({"text/html": f"<style>{sheet}</style>{table}"}, {})
    assert re.findall(r'<(\w+)[^>]* style="([^"]*)"', cleaned) == [
        ("tr", "--hover: navy; --hover-ink: #ffffff"),
        ("th", "width: 240px"),
        ("td", "border: 1px solid red"),
    ]
    assert "width" not in prose.clean('<p style="width: 300px">x</p>')


def test_progress_bars_end_as_tqdm_writes_them():
    def model(kind, **state):
        return {"model_name": f"{kind}Model", "state": state}

    widgets = {
        "box": model("HBox", children=[f"IPY_MODEL_{name}" for name in ("left", "bar", "right")]),
        "left": model("HTML", value="bar: 100%"),
        "bar": model("FloatProgress", value=20.0, max=20.0),
        "right": model("HTML", value=" 20/20 [00:00&lt;00:00, 900it/s]"),
        "alone": model("IntProgress", value=3, max=10, description="Reading"),
    }

    def ended(name):
        shown = outputs.bundle_html({outputs.WIDGET: {"model_id": name}}, {}, pictures.Around(widgets=widgets))
        return prose.strip_tags(shown)

    assert ended("box") == f"bar: 100% |{'█' * 10}| 20/20 [00:00<00:00, 900it/s]"
    assert ended("alone") == "Reading |███ | 3 of 10"


LARGE = {
    "text/markdown": "word **bold** $x_i$\n\n",
    "text/latex": "$x$ ",
    "text/html": "<p>x</p>",
    "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    "image/png": "A",
    "application/json": "y",
    "application/vnd.plotly.v1+json": "y",
}


@pytest.mark.parametrize("mime", LARGE)
def test_an_output_that_no_page_has_room_for_leaves_a_word_and_its_description(mime):
    content: object = LARGE[mime] * (6_000_000 // len(LARGE[mime]))
    if mime.endswith("json"):
        content = {"data": [{"name": content}], "layout": {"meta": {"alt": "what it shows"}}}
    output = nbformat.v4.new_output(
        "display_data", data={mime: content, "text/plain": "in words"}, metadata={mime: {"alt": "what it shows"}}
    )
    said = []
    page = page_of(nbformat.v4.new_notebook(cells=[specimen.timed("x", output)]), say=said.append)
    assert said == ["02_specimen, cell 1: an output of 6.0 MB is left out"]
    assert "An output of 6.0 MB is left out here" in page
    described = mime.startswith("image/png") or "svg" in mime or "plotly" in mime
    assert ("what it shows" if described else "in words") in page
    assert len(page) < 10_000


def test_a_very_long_error_is_cut():
    output = nbformat.v4.new_output("error", ename="E", evalue="v" * 6_000_000, traceback=["t\n" * 3_000_000])
    assert len(page_of(nbformat.v4.new_notebook(cells=[specimen.timed("x", output)]))) < 20_000


def plotly_page(figure: dict) -> tuple[str, list[str]]:
    said = []
    cell = specimen.timed("x", nbformat.v4.new_output("display_data", data={plotly.MIME: figure}))
    page = page_of(nbformat.v4.new_notebook(cells=[cell]), say=said.append)
    return page, re.findall(r'<script src="assets/(plotly[^"]*)"', page)


@pytest.mark.parametrize(
    ("kind", "scripts"),
    [
        ("scatter", ["plotly.min.js"]),
        ("scattergl", ["plotly.min.js"]),
        ("surface", ["plotly.min.js"]),
        ("splom", ["plotly-strict.min.js"]),
        ("parcoords", ["plotly-strict.min.js"]),
        ("choropleth", ["plotly-geo.min.js", "plotly.min.js"]),
    ],
)
def test_a_page_has_the_scripts_that_its_charts_need(tmp_path, kind, scripts):
    page, asked = plotly_page({"data": [{"type": kind, "y": [1, 2]}], "layout": {"geo": {"resolution": 50}}})
    assert asked == scripts
    site.write_assets(tmp_path, page)
    assert set(asked) | {"plotly.min.js"} == {path.name for path in tmp_path.glob("plotly*")}
    assert '"resolution":110' in page


@pytest.mark.parametrize(("points", "kind"), [(20_000, "scatter"), (20_001, "scattergl")])
def test_very_many_points_are_left_to_webgl(points, kind):
    packed = base64.b64encode(np.zeros(points, np.float32).tobytes()).decode()
    for y in ({"dtype": "f4", "bdata": packed}, [0] * points):
        page, scripts = plotly_page({"data": [{"type": "scattergl", "y": y}]})
        assert f'"type":"{kind}"' in page
        assert scripts == ["plotly.min.js" if kind == "scatter" else "plotly-strict.min.js"]


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        ({"type": "scattermap"}, "a map with tiles"),
        ({"type": "choropleth", "geojson": "https://example.org/x"}, "a map of regions that are elsewhere"),
    ],
)
def test_a_map_that_would_ask_somebody_is_told(trace, words):
    page, scripts = plotly_page({"data": [trace], "layout": {"title": {"text": "Where"}}})
    assert scripts == []
    assert "Where" in page
    assert words[1:] in page


def test_the_packed_scripts_are_of_the_plotly_that_is_installed():
    version = get_plotlyjs_version()
    for packed in site.RARE:
        head = gzip.decompress(packed.read_bytes())[:400].decode()
        assert re.search(rf"plotly\.js\D*{re.escape(version)}\b", head), f"{packed.name}: see README.md, Licence"
        assert "MIT license" in head


def test_the_tree_is_well_formed(hostile):
    assert hostile.broken == []
    assert hostile.stack == []


def test_hostile_outputs_cannot_take_the_pages_own_ids(hostile):
    ids = [attributes["id"] for _, attributes in hostile.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_figures_keep_their_data_and_say_what_they_show():
    page = read(page_of(specimen.notebook(hostile=False)))
    first, second = (json.loads(island) for island in page.islands)
    assert first["data"][0]["y"] == [98.6, 97.1, 87.3]
    assert "width" not in first["layout"]
    assert first["layout"]["height"] == 380
    assert [trace["type"] for trace in second["data"]] == ["heatmap", "scatter"]
    labels = [each["aria-label"] for each in page.of("figure") if "aria-label" in each]
    assert labels == ["Bars of three accuracies", "A heat map with two marks"]
    (picture,) = page.of("img")
    assert (picture["alt"], picture["width"], picture["height"]) == ("A grey ramp", "300", "150")
    assert picture["class"] == "invert"


def test_a_data_island_round_trips_what_would_end_it():
    tricky = {"data": [{"text": ["</script><!--", "a & b", "\u2028"]}], "layout": {}}
    island = re.search(r"<script[^>]*>(.*?)</script>", outputs.plotly_html(tricky)).group(1)
    assert not set("<>&\u2028") & set(island)
    assert json.loads(island)["data"] == tricky["data"]


def test_headings_make_the_table_of_contents():
    page = read(page_of(specimen.notebook(hostile=False)))
    ids = {attributes.get("id") for _, attributes in page.elements}
    targets = [a["href"][1:] for a in page.of("a") if a.get("href", "").startswith("#")]
    assert {"the-data", "a-closer-look", "the-test", "the-test-2", "about"} <= set(targets)
    assert set(targets) <= ids
    assert len(page.of("h1")) == 1


def test_links_between_notebooks_lead_to_pages():
    page = read(page_of(specimen.notebook(hostile=False)))
    links = [a["href"] for a in page.of("a")]
    assert "02_next.html#the-test" in links
    assert "#the-test" in links
    assert "https://example.org/" in links


def test_a_page_refers_only_to_its_assets():
    page = read(page_of(specimen.notebook(hostile=False)))
    loaded = [each.get("src") or each.get("href") for tag in ("script", "link", "img") for each in page.of(tag)]
    loaded = [address for address in loaded if address and not address.startswith("data:")]
    assert sorted(loaded) == ["assets/plotly.min.js", "assets/report.css", "assets/report.js"]


def test_plotly_is_not_loaded_where_nothing_is_drawn():
    notebook = specimen.notebook(hostile=False)
    notebook.cells = [cell for cell in notebook.cells if "show" not in cell.source]
    assert "plotly.min.js" not in page_of(notebook)


def test_title_facts_and_provenance_are_shown():
    text = " ".join(" ".join(read(page_of(specimen.notebook(hostile=False), commit={})).text).split())
    assert render.title_of(specimen.notebook(hostile=False)) == "Support vectors & eight pixels"
    for expected in (
        "Report 02",
        "run on 21 November 2026 in 1 min 23 s",
        "0123456789ab , with uncommitted changes",
        "scikit-learn 1.9.1",
        "A processor, 2 cores",
        "ab" * 8,
        "depths = [1, 2, 3]",
        "Seconds per cell",
        "12.50",
    ):
        assert expected in text, expected


def test_only_a_smoke_run_carries_the_banner():
    assert "numbers mean nothing" in page_of(specimen.notebook(profile="smoke"))
    assert "numbers mean nothing" not in page_of(specimen.notebook(profile="standard"))


def test_a_plain_executed_notebook_renders_without_provenance():
    notebook = specimen.notebook(hostile=False)
    del notebook.metadata["digits"]
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
    text = " ".join(read(page_of(notebook)).text)
    assert "Support vectors" in text
    assert "None" not in text


@pytest.mark.parametrize(("minutes", "words", "figures"), [(1, 0, 0), (1, 220, 0), (3, 660, 0), (4, 660, 5)])
def test_reading_time(minutes, words, figures):
    cells = [{"cell_type": "markdown", "source": "word " * words}]
    cells.append({"cell_type": "code", "source": "", "outputs": [{"data": {"image/png": ""}}] * figures})
    assert render.reading_minutes({"cells": cells}) == minutes


def test_printed_text_is_folded_when_long_and_cut_when_very_long():
    short = outputs.stream_html("a\nb\n", "stdout")
    assert "<details" not in short
    middling = outputs.stream_html("\n".join(f"line-{i}." for i in range(400)), "stdout")
    assert "<details" in middling
    assert all(f"line-{i}." in middling for i in range(400)), "folded, but whole"
    said = []
    text = "\n".join(f"line-{i}." for i in range(100_000))
    long = outputs.stream_html(text, "stdout", pictures.Around(say=said.append))
    assert said == ["printed text of 1,188,889 characters is cut in the middle"]
    assert "100,000 lines" in long
    assert len(long) < 3000
    assert "line-0." in long
    assert "line-99999." in long
    assert "line-200." not in long
    assert "<details" in outputs.stream_html("one", "stderr")


def test_terminal_text_is_what_was_last_seen():
    assert outputs.plain("\x1b[31mred\x1b[0m\r\n10%\r100%\r\nend\x07") == "red\n100%\nend"


def test_an_empty_corner_of_a_table_is_no_heading():
    cleaned = prose.clean('<table><tr><th scope="col"></th><th scope="col">n</th></tr></table>')
    assert re.findall(r"<t[hd][^>]*>", cleaned) == ["<td>", '<th scope="col">']


def test_numbers_in_tables_are_marked_and_words_are_not():
    cleaned = prose.clean("<table><tr><td>12.5%</td><td>-3</td><td>1,234</td><td>12 apples</td><td></td></tr></table>")
    assert re.findall(r'<td class="num">([^<]*)', cleaned) == ["12.5%", "−3", "1,234"]
    cells = ["-55 to -41", "-0.5 [-1, -.2]", "2e-37", "3-4", "2026-11-21"]
    cleaned = prose.clean(
        "".join(f'<td class="num">{cell}</td>' for cell in cells).join(("<table><tr>", "</tr></table>"))
    )
    assert re.findall(r'<td class="num">([^<]*)', cleaned) == ["−55 to −41", "−0.5 [−1, −.2]", *cells[2:]]
    assert cleaned.startswith('<div class="scroll"')
    assert cleaned.endswith("</table></div>")


def test_wide_pictures_can_be_moved_sideways():
    picture = base64.b64encode(specimen.png(4, 4)).decode()
    narrow, wide = (outputs.image_html("image/png", picture, {"width": w, "height": 9}) for w in (560, 561))
    assert 'class="pan"' not in narrow
    assert '<figure class="picture"><div class="pan" tabindex="0" role="group" aria-label=' in wide
    assert wide.endswith("</div></figure>")


@pytest.mark.parametrize("payload", ["not base64!", "aGVsbG8=", "A", '"><img src=x onerror=alert(1)>'])
def test_what_is_no_picture_is_not_embedded(payload):
    assert "<img" not in outputs.image_html("image/png", payload, {})


def test_markdown_keeps_tags_and_shows_what_is_none():
    rendered, _ = prose.to_html("10<sup>3</sup> and <b onclick=x>bold</b> `<i>`")
    assert "10<sup>3</sup>" in rendered
    assert "<b>bold</b> <code>&lt;i&gt;</code>" in rendered
    assert "a list&lt;int&gt;" in prose.to_html("a list<int>")[0]
    assert prose.to_html("seen <!-- not seen -->\n\n<!-- nor this -->")[0].strip() == "<p>seen </p>"


def test_python_in_prose_is_coloured_and_other_listings_are_plain():
    page = str(prose.to_html("```\nplain <b>\n```\n\n```python\ndef f(x):\n    return x < 1\n```")[0])
    assert "<pre><code>plain &lt;b&gt;\n</code></pre>" in page
    assert '<span class="hl-k">return</span>' in page
    assert prose.strip_tags(page) == "plain <b> def f(x): return x < 1"


def test_code_is_open_and_tags_fold_or_remove_it_as_in_jupyter_book():
    said = nbformat.v4.new_output("display_data", data={"text/markdown": "What it says."})
    cells = [specimen.timed("plain = 1"), specimen.timed("folded = 2", tags=("hide-input",))]
    cells += [
        specimen.timed("removed = 3", said, tags=("remove-input",)),
        specimen.timed("silent = 4", tags=("remove-input",)),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    page = render.render_page(notebook, slug="02_specimen", commit={})
    assert re.findall(r'<details class="code"( open)?>', page) == [" open", ""]
    shown = " ".join(read(page).text)
    assert "plain" in shown
    assert "folded" in shown
    assert "What it says." in shown
    assert "removed" not in shown
    assert "silent" not in shown


def test_failure_page_says_what_when_and_how_again():
    page = render.render_failure(
        specimen.notebook(),
        slug="02_specimen",
        error="\x1b[31mZeroDivisionError\x1b[0m: by zero" + specimen.SCRIPT,
        parameters={"seed": 7, "source": specimen.IMAGE},
        log_tail=["cell 3 of 9\n", "last words" + specimen.SCRIPT],
        command="make reports NOTEBOOK=02 FORCE=1",
    )
    reader = read(page)
    text = " ".join(reader.text)
    assert "<code>make reports NOTEBOOK=02 FORCE=1</code>" in page
    for expected in ("ZeroDivisionError: by zero", "seed", "7", "last words", "NOTEBOOK=02"):
        assert expected in text or expected in " ".join(text.split()), expected
    styles = [tag for tag, _ in reader.elements if tag == "style"]
    assert styles == ["style"], "its own style, and nothing beside it"
    reader.elements = [each for each in reader.elements if each[0] != "style"]
    everything_inert(reader, own_scripts=set())


def test_failure_page_without_a_notebook():
    page = render.render_failure(None, slug="02_x", error="no", parameters={}, log_tail=[], command="make")
    assert "02_x" in page


def test_the_failing_cell_is_the_first_that_never_ran_where_none_raised():
    notebook = specimen.notebook(hostile=False)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    notebook.cells[4].execution_count = None
    page = render.render_failure(notebook, slug="x", error="killed", parameters={}, log_tail=[], command="make")
    assert "figures" in page
    assert "ZeroDivision" not in page


@pytest.mark.slow
def test_nbconvert_s_own_command_writes_the_page_and_what_it_needs(tmp_path):
    """As `jupyter nbconvert --to ...`, which knows of this project only the name of the exporter."""
    nbformat.write(specimen.notebook(hostile=False), tmp_path / "02_specimen.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "helpers.reporting.page.render.ReportExporter"]
    done = subprocess.run([*command, "02_specimen.ipynb"], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "02_specimen.html").read_text(encoding="utf-8")
    page = read(text)
    assert page.broken == page.stack == []
    assert [json.loads(island)["data"][0]["type"] for island in page.islands] == ["bar", "heatmap"]
    loaded = [each.get("src") or each.get("href") for tag in ("script", "link") for each in page.of(tag)]
    assert all(
        (tmp_path / address).stat().st_size > 1000 for address in loaded if address and not address.startswith("data:")
    )
    site.write_assets(tmp_path / "expected")
    written = {path.name: path.read_bytes() for path in (tmp_path / "assets").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "expected").iterdir()}
    notebook = nbformat.read(tmp_path / "02_specimen.ipynb", as_version=4)
    assert text == render.render_page(notebook, slug="02_specimen", folder=tmp_path)
    assert "index.html" not in text, "a page alone has no series around it"
    assert 'href="index.html"' in page_of(notebook)
