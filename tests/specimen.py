"""An executed notebook with one of everything, and in every place something that would like to run."""

import json
import struct
import zlib
from base64 import b64encode

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

PWN = "window.__pwned=1"
SCRIPT = f"</script><script>{PWN}</script>"
IMAGE = f'"><img src=x onerror="{PWN}">'
HOSTILE_HTML = f"""
<script>{PWN}</script><img src=x onerror="{PWN}"><svg onload="{PWN}"><script>{PWN}</script></svg>
<iframe srcdoc="<script>parent.{PWN}</script>"></iframe><style>@import url(http://example.org/x.css);</style>
<base href="http://example.org/"><meta http-equiv="refresh" content="0;url=http://example.org/">
<form action="http://example.org/"><button formaction="javascript:{PWN}">go</button></form>
<a href="javascript:{PWN}" onclick="{PWN}">link</a><details open ontoggle="{PWN}">x</details>
<div style="background:url(http://example.org/x.png)" id="content" onmouseover="{PWN}">safe words stay</div>
"""


HOSTILE_TABLE = f"""<style>#T_x td {{ background: url(http://example.org/x.png); color: red }} #T_x_row0_col0 {{
background-color: yellow; position: fixed; behavior: url(x) }} </style><script>{PWN}</script>
<table id="T_x" onclick="{PWN}"><tr>
<td id="T_x_row0_col0" style="background:url(javascript:{PWN})">safe cell</td></tr></table>"""
HOSTILE_MARKDOWN = rf"""$\href{{javascript:{PWN}}}{{x}} \text{{<script>{PWN}</script>}}
\style{{background:url(//example.org)}}{{y}}$

<math><mtext><table><mglyph><style><img src=x onerror="{PWN}"></style></mglyph></table></mtext></math>
<details ontoggle="{PWN}" open><summary onclick="{PWN}">s</summary></details>
<svg xmlns="http://www.w3.org/2000/svg" onload="{PWN}">
<foreignObject><iframe src="javascript:{PWN}"/></foreignObject></svg>
![p](attachment:a.svg) ![q](attachment:b.png) ![r](/etc/hostname) ![s](../../../../../../etc/passwd)
![t](data:text/html;base64,PHNjcmlwdD4=)
<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{PWN}'/>">

<div class="bar banner" style="position:fixed;background:url(http://example.org)">safe words too</div>
"""


def png(width: int, height: int) -> bytes:
    """Return a grey PNG of the given size, written by hand."""
    rows = b"".join(b"\0" + bytes((x + y) % 256 for x in range(width)) for y in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def plotly_output(*traces: dict, alt: str, caption: str = "", **layout) -> nbformat.NotebookNode:
    figure = {"data": list(traces), "layout": {"meta": {"alt": alt, "caption": caption}, **layout}}
    return new_output("display_data", data={"application/vnd.plotly.v1+json": figure, "text/plain": alt})


def timed(source: str, *outputs, seconds: float = 0.25, tags: tuple[str, ...] = (), count: int = 1):
    cell = new_code_cell(source, outputs=list(outputs), execution_count=count)
    cell.metadata["papermill"] = {"duration": seconds}
    cell.metadata["tags"] = list(tags)
    return cell


def notebook(*, hostile: bool = True, profile: str = "standard") -> nbformat.NotebookNode:
    """Return the specimen; without `hostile` only the ordinary content."""
    bad = f" {SCRIPT}{IMAGE}" if hostile else ""
    sentence = "The digits were written by high-school students and by clerks of a census bureau, in two batches. "
    bars = plotly_output(
        {"type": "bar", "x": ["SVM", "kNN", "tree"], "y": [98.6, 97.1, 87.3], "name": "ours" + bad},
        alt="Bars of three accuracies" + bad,
        caption="The **SVM** leads, the tree trails." + bad,
        height=380,
        xaxis={"title": {"text": "model" + bad}},
        width=1900,
    )
    heat = plotly_output(
        {"type": "heatmap", "z": [[1, 2, 3], [4, 5, 6]], "x": ["a", "b", "c"], "y": ["p", "q"]},
        {"type": "scatter", "x": ["a", "b"], "y": ["p", "q"], "mode": "markers+text", "text": ["1" + bad, "2"]},
        alt="A heat map with two marks",
        caption="Larger to the lower right.",
    )
    picture = new_output(
        "display_data",
        data={"image/png": b64encode(png(600, 300)).decode(), "text/plain": "<Figure>"},
        metadata={
            "image/png": {
                "alt": "A grey ramp" + bad,
                "caption": "It gets lighter" + bad,
                "invert": True,
                "width": 300,
                "height": 150,
            }
        },
    )
    columns = "".join(f"<th>column {i}</th>" for i in range(24))
    values = "".join(f"<td>{i * 1234.5:.1f}</td>" for i in range(24))
    wide = f'<table class="data"><thead><tr>{columns}</tr></thead><tbody><tr>{values}</tr></tbody></table>'
    cells = [
        new_markdown_cell(f"# Support vectors & eight pixels{bad}\n\n{sentence * 3}\n\n{bad}"),
        timed("import numpy as np\nfrom helpers.data import load", seconds=1.5),
        timed('seed: int = 0  # fixes every random choice\nprofile: str = "standard"', tags=("parameters",)),
        new_markdown_cell(
            f"## The data\n\n{sentence * 6}\n\nSee [the next](02_next.ipynb#The-test) and [below](#The-test)."
        ),
        timed("figures.show(fig)", bars, seconds=12.5),
        new_markdown_cell("### A closer look\n\n" + sentence * 5 + "\n\n| a | b |\n|---|--:|\n| x | 1 |\n"),
        timed("figures.show(heat)", heat, picture),
        timed("table(frame)", new_output("display_data", data={"text/html": wide})),
        timed("print('short')", new_output("stream", name="stdout", text="\x1b[31mtwo\x1b[0m\nlines" + bad)),
        timed("fit()", new_output("stream", name="stdout", text="".join(f"epoch {i} done\n" for i in range(400)))),
        timed("warn()", new_output("stream", name="stderr", text="W0000 a library said something" + bad)),
        timed("say(reading)", new_output("display_data", data={"text/markdown": f"The SVM reads **98.6%**.{bad}"})),
        new_markdown_cell(f"## The test\n\n{sentence * 6}"),
        timed("x_train.shape", new_output("execute_result", data={"text/plain": "(60000, 28, 28)" + bad})),
        timed(
            "1 / 0",
            new_output("error", ename="ZeroDivisionError", evalue="by zero" + bad, traceback=["\x1b[0;31mZ" + bad]),
        ),
        new_markdown_cell("## The test\n\nThe same heading again, and [a site](https://example.org/)."),
    ]
    if hostile:
        head = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"'
        svg = f'{head} onload="{PWN}"><script>{PWN}</script></svg>'
        cells += [
            new_markdown_cell(
                HOSTILE_HTML + f"\n\n[a](javascript:{PWN}) [b](data:text/html,x) ![c](http://example.org/c.png)"
            ),
            timed("html", new_output("display_data", data={"text/html": HOSTILE_HTML})),
            timed("styled", new_output("display_data", data={"text/html": HOSTILE_TABLE})),
            timed("latex", new_output("display_data", data={"text/latex": HOSTILE_MARKDOWN})),
            new_raw_cell(HOSTILE_HTML, metadata={"raw_mimetype": "text/html"}),
            new_markdown_cell(
                HOSTILE_MARKDOWN, attachments={"a.svg": {"image/svg+xml": svg}, "b.png": {"image/png": IMAGE}}
            ),
            timed("js", new_output("display_data", data={"application/javascript": PWN, "text/plain": "a script"})),
            timed("svg", new_output("display_data", data={"image/svg+xml": svg})),
            timed("png", new_output("display_data", data={"image/png": IMAGE})),
            timed(f"source = '{SCRIPT}{IMAGE}'"),
        ]
    made = new_notebook(cells=cells)
    made.metadata["digits"] = {
        "profile": profile,
        "parameters": {"seed": 0, "source": "" + bad, "depths": [1, 2, 3]},
        "seed": 0,
        "commit": "0123456789ab",
        "dirty": True,
        "data": {"train-images-idx3-ubyte.gz" + bad: "ab" * 32, "train-labels-idx1-ubyte.gz": "cd" * 32},
        "versions": {"numpy" + bad: "2.4.6", "scikit-learn": "1.9.1", "plotly": "7.1.0"},
        "processor": "A processor, 2 cores" + bad,
        "python": "3.11.2",
        "seconds": 83.2,
        "executed_at": "2026-11-21T14:00:00+00:00",
    }
    return nbformat.from_dict(json.loads(json.dumps(made)))
