"""What a code cell left behind, as HTML: one of a few known kinds, or escaped text, never anything that runs."""

import base64
import html
import json
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from helpers.reporting.page import atlas, prose

PLOTLY = "application/vnd.plotly.v1+json"
_IMAGES = ("image/png", "image/svg+xml", "image/jpeg")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
WIDE = 560  # CSS pixels; the style sheet's .pan says the same
FOLD_ABOVE = 8  # lines of printed text shown open
KEEP_AT_ENDS = 15  # of a long print, the first and last lines that the page keeps


def to_html(outputs: list[Mapping[str, Any]]) -> Markup:
    """Return the HTML of a cell's outputs, in order; printed text that follows itself is joined."""
    parts, printed = [], {"stdout": [], "stderr": []}

    def flush() -> None:
        for name, texts in printed.items():
            if texts:
                parts.append(stream_html("".join(texts), name))
                texts.clear()

    for output in outputs:
        if _is_caption(output):
            continue
        kind = output.get("output_type")
        if kind == "stream":
            printed["stderr" if output.get("name") == "stderr" else "stdout"].append(_joined(output.get("text")))
            continue
        flush()
        if kind == "error":
            parts.append(error_html(output))
        elif kind in ("display_data", "execute_result"):
            parts.append(bundle_html(output.get("data") or {}, output.get("metadata") or {}))
    flush()
    return Markup("\n".join(part for part in parts if part))


def bundle_html(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Return the HTML of one MIME bundle: the best kind that a page can show safely, or nothing."""
    if PLOTLY in data:
        return plotly_html(data[PLOTLY])
    if atlas.MIME in data:
        return atlas.to_html(data[atlas.MIME])
    for mime in _IMAGES:
        if mime in data:
            return image_html(mime, data[mime], metadata.get(mime) or {})
    if "text/html" in data:
        return prose.clean(_joined(data["text/html"]))
    if "text/markdown" in data:
        return f'<div class="said">{prose.to_html(_joined(data["text/markdown"]))[0]}</div>'
    if "text/plain" in data:
        return f'<pre class="result">{html.escape(plain(_joined(data["text/plain"])))}</pre>'
    return ""


def words(outputs: list[Mapping[str, Any]]) -> str:
    """Return what a cell says in words: captions, tables and text, without what it printed or raised."""
    found = []
    for output in outputs:
        if _is_caption(output):
            continue
        data = output.get("data") or {}
        if PLOTLY in data:
            layout = data[PLOTLY].get("layout") or {}
            found.append(prose.words(_caption((layout.get("meta") or {}).get("caption"))))
        elif shown := next((mime for mime in _IMAGES if mime in data), None):
            about = (output.get("metadata") or {}).get(shown) or {}
            found.append(prose.words(_caption(about.get("caption"))))
        elif atlas.MIME not in data:
            found.append(prose.words(bundle_html(data, {})))
    return " ".join(found)


def plotly_html(figure: Any) -> str:
    """Return a plotly figure as an inert JSON island that report.js draws when it comes near the window.

    Only data, layout and frames are kept; how the figure behaves (`config`) is the page's business. The
    description in `layout.meta.alt` stands in wherever the drawing is missing.
    """
    if not isinstance(figure, Mapping):
        return ""
    layout = dict(figure.get("layout") or {})
    meta = layout.get("meta") if isinstance(layout.get("meta"), Mapping) else {}
    alt = str(meta.get("alt") or "Chart without a description")
    height = layout.get("height")
    height = int(height) if isinstance(height, int | float) and 80 <= height <= 4000 else 420
    layout.pop("width", None)  # the page decides how wide
    layout["height"] = height
    island = {"data": figure.get("data") or [], "layout": layout}
    if figure.get("frames"):
        island["frames"] = figure["frames"]
    return (
        f'<figure class="plot" role="group" aria-label="{html.escape(alt)}">'
        f'<div class="canvas" style="min-height:{height}px"><p class="stand-in">{html.escape(alt)}</p></div>'
        f'<script type="application/json">{_inert_json(island)}</script>'
        f"{_caption(meta.get('caption'))}</figure>"
    )


def image_html(mime: str, payload: Any, metadata: Mapping[str, Any]) -> str:
    """Return an embedded picture with alternative text, caption and, for dark ink on nothing, the mark `invert`.

    Width and height are CSS pixels from the metadata; a PNG without them is shown at its own size. One wider than
    `WIDE` is not shrunk below that on a phone, where nobody could read what is written in it; it can be moved sideways.
    """
    text = _joined(payload)
    if mime == "image/svg+xml":
        # As an image source an SVG can neither run scripts nor fetch anything.
        encoded = base64.b64encode(text.encode()).decode()
    else:
        encoded = re.sub(r"[^A-Za-z0-9+/=]", "", text)
    width, height = _size(metadata, encoded) if mime == "image/png" else (None, None)
    if width == 0:
        return '<p class="quiet">A picture stood here that cannot be read.</p>'
    alt = html.escape(str(metadata.get("alt") or "Picture without a description"))
    size = f' width="{width}" height="{height}"' if width and height else ""
    style = ' class="invert"' if metadata.get("invert") is True else ""
    image = f'<img src="data:{mime};base64,{encoded}" alt="{alt}"{size}{style}>'
    if (width or 0) > WIDE:
        image = f'<div class="pan" tabindex="0" role="group" aria-label="Wide picture">{image}</div>'
    return f'<figure class="picture">{image}{_caption(metadata.get("caption"))}</figure>'


def stream_html(text: str, name: str) -> str:
    """Return printed text: open when short, folded when long, cut in the middle when very long."""
    lines = plain(text).rstrip("\n").split("\n")
    if lines == [""]:
        return ""
    n = len(lines)
    if n > 2 * KEEP_AT_ENDS:
        middle = f"[… {n - 2 * KEEP_AT_ENDS} lines left out …]"
        lines = [*lines[:KEEP_AT_ENDS], middle, *lines[-KEEP_AT_ENDS:]]
    body = f"<pre>{html.escape(chr(10).join(lines))}</pre>"
    if name == "stdout" and n <= FOLD_ABOVE:
        return f'<div class="stream">{body}</div>'
    what = "Printed while running" if name == "stdout" else "Messages of the libraries"
    count = f"{n} line{'s' if n > 1 else ''}"
    return f'<details class="stream"><summary>{what} <span class="quiet">{count}</span></summary>{body}</details>'


def error_html(output: Mapping[str, Any]) -> str:
    """Return an exception that a cell raised, with its traceback folded."""
    title = plain(f"{output.get('ename', 'Error')}: {output.get('evalue', '')}")
    trace = plain("\n".join(str(line) for line in output.get("traceback") or []))
    return (
        f'<div class="error" role="group" aria-label="Error"><p>{html.escape(title)}</p>'
        f"<details><summary>Traceback</summary><pre>{html.escape(trace)}</pre></details></div>"
    )


def plain(text: str) -> str:
    """Return terminal text as a reader would have seen it last: no colour codes, overwritten lines gone."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return _CONTROL.sub("", "\n".join(lines))


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _is_caption(output: Mapping[str, Any]) -> bool:
    """Say whether an output repeats a figure's caption, for editors only: see `figures.style.CAPTION`."""
    return (output.get("metadata") or {}).get("digits") == "caption"


def _caption(text: Any) -> str:
    if not text:
        return ""
    rendered = str(prose.to_html(str(text))[0]).strip()
    return f"<figcaption>{rendered}</figcaption>"


def _inert_json(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in, nor begin a comment there."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _size(metadata: Mapping[str, Any], encoded: str) -> tuple[int, int]:
    """Return the width and height of a PNG in CSS pixels; zeros where it is none."""
    try:
        header = base64.b64decode(encoded[:44])
    except ValueError:
        return 0, 0
    if header[:8] != b"\x89PNG\r\n\x1a\n":
        return 0, 0
    width, height = metadata.get("width"), metadata.get("height")
    if isinstance(width, int | float) and isinstance(height, int | float):
        return int(width), int(height)
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
