"""What a code cell left behind, as HTML: the best of its forms that a page can show safely, or a word for it."""

import html
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from markupsafe import Markup
from nbconvert.filters.ansi import ansi2html

from helpers.reporting.page import atlas, clean, pictures, plotly, prose
from helpers.reporting.page.pictures import Around

PLOTLY = plotly.MIME
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDE = 560  # CSS pixels; the style sheet's .pan says the same
FOLD_ABOVE = 24  # lines of printed text shown open
KEEP_AT_ENDS = 15  # of a print that is too long for a page, the first and last lines that it keeps
LONGEST = 400_000  # characters of text in one piece
HUGE = 3_000_000  # characters of an output that no page has room for, so that it is not even looked at
MOST = 300  # outputs of one cell
_ANSI = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-ln-~]|\x1b[@-Z\\-_]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
_OBJECT = re.compile(r"<IPython\.core\.display\.(\w+) object>")
_FIRST_FRAME = re.compile(r'frames\[0\] = "data:image/png;base64,([A-Za-z0-9+/=\\\s]+)"')
_MOVES = '<p class="quiet">An animation: its first frame. It moves in the notebook.</p>'
# Kinds of output that need a script or a server, by a part of their MIME type.
_LIVE = {
    "widget": "an interactive widget",
    "vega": "an Altair chart",
    "bokeh": "a Bokeh chart",
    "javascript": "a script",
    "pdf": "a PDF",
    "geo+json": "a map",
}


def to_html(outputs: list[Mapping[str, Any]], around: Around | None = None, *, cut: Collection[int] = ()) -> list:
    """Return the HTML of each of a cell's outputs, in order; `cut`: the places of those that must be brief."""
    around = around or Around()
    parts = [output_html(output, around, brief=place in cut) for place, output in enumerate(outputs[:MOST])]
    if len(outputs) > MOST:
        left = f"{len(outputs) - MOST:,} more outputs of this cell"
        around.say(f"{left} are left out")
        parts.append(f'<p class="quiet">{left} are left out: a page shows {MOST}. They are in the notebook.</p>')
    return [Markup(part) for part in parts]


def output_html(output: Mapping[str, Any], around: Around, *, brief: bool = False) -> str:
    """Return one output as HTML; `brief` when its page would be too large with all of it."""
    if _is_caption(output):
        return ""
    kind = output.get("output_type")
    if kind == "stream":
        return stream_html(_joined(output.get("text")), str(output.get("name")), around, brief=brief)
    if kind == "error":
        return error_html(output, around)
    data, metadata = output.get("data") or {}, output.get("metadata") or {}
    return _brief(data, metadata, around) if brief else bundle_html(data, metadata, around)


def bundle_html(data: Mapping[str, Any], metadata: Mapping[str, Any], around: Around | None = None) -> str:
    """Return the HTML of one MIME bundle: the best kind that a page can show safely; a word when there is none."""
    around = around or Around()
    for mime, show in _KINDS.items():
        if mime in data and mime != "text/html" and _size(data[mime]) > HUGE:
            return _brief(data, metadata, around)
        if mime in data and (shown := show(data, metadata.get(mime) or {}, around)):
            return shown
    if not any(data.values()):
        return ""
    live = next((name for part, name in _LIVE.items() for mime in data if part in mime), "")
    plain = _joined(data.get("text/plain"))
    nothing = _OBJECT.fullmatch(plain.strip())
    what = live or ("a script" if nothing and nothing[1] == "Javascript" else "an output that needs scripts")
    if plain and not nothing:
        if live or "text/html" in data:
            around.say(f"{what} is shown as text")
        return text_html(plain, around)
    around.say(f"{what} is left out")
    return f'<p class="quiet">{what[0].upper()}{what[1:]} stood here; it lives in the notebook only.</p>'


def words(outputs: list[Mapping[str, Any]]) -> str:
    """Return what a cell says in words: captions, tables and text, without what it printed or raised."""
    found = []
    for output in outputs[:MOST]:
        if _is_caption(output):
            continue
        data = output.get("data") or {}
        if PLOTLY in data:
            found.append(prose.words(_caption(plotly.meta_of(data[PLOTLY]).get("caption"))))
        elif shown := next((mime for mime in pictures.KINDS if mime in data), None):
            about = (output.get("metadata") or {}).get(shown) or {}
            found.append(prose.words(_caption(about.get("caption"))))
        elif atlas.MIME not in data:
            found.append(prose.words(bundle_html(data, {})))
    return " ".join(found)


def plotly_html(figure: Any, around: Around | None = None) -> str:
    """Return a plotly figure with its caption."""
    caption = _caption(plotly.meta_of(figure).get("caption"))
    return plotly.to_html(figure, caption=caption, say=(around or Around()).say)


def image_html(mime: str, payload: Any, metadata: Mapping[str, Any]) -> str:
    """Return an embedded picture with alternative text, caption and, for dark ink on nothing, the mark `invert`.

    Width and height are CSS pixels from the metadata; a PNG without them is shown at its own size. One wider than
    `WIDE` is not shrunk below that on a phone, where nobody could read what is written in it; it can be moved sideways.
    """
    raw, moves = pictures.still(_joined(payload).encode() if mime == pictures.SVG else pictures.decoded(payload))
    source = pictures.address(raw)
    if source is None:
        return '<p class="quiet">A picture stood here that cannot be read.</p>'
    width, height = (metadata.get(name) for name in ("width", "height"))
    if not all(isinstance(side, int | float) for side in (width, height)):
        width = height = None
        if source.startswith("data:image/png"):
            width, height = (int.from_bytes(raw[at : at + 4], "big") for at in (16, 20))
    alt = html.escape(str(metadata.get("alt") or "Picture without a description"))
    size = f' width="{int(width)}" height="{int(height)}"' if width and height else ""
    style = ' class="invert"' if metadata.get("invert") is True else ""
    style += ' style="background: #fff"' if mime == pictures.SVG and not style else ""
    image = f'<img src="{source}" alt="{alt}"{size}{style}>'
    if (width or 0) > WIDE:
        image = f'<div class="pan" tabindex="0" role="group" aria-label="Wide picture">{image}</div>'
    return f'<figure class="picture">{image}{_caption(metadata.get("caption"))}</figure>{_MOVES if moves else ""}'


def stream_html(text: str, name: str, around: Around | None = None, *, brief: bool = False) -> str:
    """Return printed text: open when short, folded when long, cut in the middle when too long for a page."""
    what = "Printed while running" if name == "stdout" else "Messages of the libraries"
    lines, body = _lines(text, around or Around(), brief=brief)
    if not body:
        return ""
    if name == "stdout" and lines <= FOLD_ABOVE:
        return f'<div class="stream"><pre>{body}</pre></div>'
    return _folded(what, lines, body)


def text_html(text: str, around: Around | None = None, *, what: str = "Result", brief: bool = False) -> str:
    """Return the plain text of a result, folded when long."""
    lines, body = _lines(text, around or Around(), brief=brief)
    if lines <= 2 * FOLD_ABOVE:
        return f'<pre class="result">{body}</pre>'
    return _folded(what, lines, body)


def error_html(output: Mapping[str, Any], around: Around) -> str:
    """Return an exception that a cell raised, with its traceback folded."""
    title = plain(f"{output.get('ename', 'Error')}: {str(output.get('evalue', ''))[:4000]}")
    _, trace = _lines("\n".join(str(line) for line in output.get("traceback") or []), around)
    return (
        f'<div class="error" role="group" aria-label="Error"><p>{html.escape(title)}</p>'
        f"<details><summary>Traceback</summary><pre>{trace}</pre></details></div>"
    )


def plain(text: str) -> str:
    """Return terminal text as a reader would have seen it last: no colour codes, overwritten lines gone."""
    return _COLOUR.sub("", _seen_last(text)).replace("\x1b", "")


def terminal(text: str) -> Markup:
    """Return terminal text as a reader would have seen it last, as HTML with its colours (classes `ansi-...`)."""
    return Markup(str(ansi2html(_seen_last(text))).replace("\x1b", ""))


def _seen_last(text: str) -> str:
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return _CONTROL.sub("", "\n".join(lines))


def _lines(text: str, around: Around, *, brief: bool = False) -> tuple[int, str]:
    """Return how many lines a text has and its HTML: all of it, or both ends of one too long for a page."""
    if brief or len(text) > LONGEST:
        if not brief:
            around.say(f"printed text of {len(text):,} characters is cut in the middle")
        lines = text[: LONGEST // 4].split("\n") if len(text) > LONGEST else text.split("\n")
        tail = text[-LONGEST // 4 :].split("\n") if len(text) > LONGEST else lines
        many = text.count("\n") + (not text.endswith("\n"))
        middle = [f"[… {many} lines, {len(text):,} characters: the middle is left out …]"]
        lines = [line[:500] for line in lines[:KEEP_AT_ENDS] + middle + tail[-KEEP_AT_ENDS:]]
        return many, str(terminal("\n".join(lines)))
    body = str(terminal(text)).rstrip("\n")
    return body.count("\n") + 1, body


def _folded(what: str, lines: int, body: str) -> str:
    count = f"{lines:,} line{'s' if lines > 1 else ''}"
    summary = f'{what} <span class="quiet">{count}</span>'
    return f'<details class="stream"><summary>{summary}</summary><pre tabindex="0">{body}</pre></details>'


def _picture(mime: str):
    return lambda data, about, around: image_html(mime, data[mime], about)


def _html(data: Mapping[str, Any], about: Mapping[str, Any], around: Around) -> str:
    """Return HTML as far as it can be shown; nothing where its text is better: without its style, or its scripts."""
    text = _joined(data["text/html"])
    if frame := _FIRST_FRAME.search(text[: 2 * LONGEST]):
        around.say("an animation is shown by its first frame")
        return (
            image_html("image/png", re.sub(r"[\\\s]", "", frame[1]), {"alt": "The first frame of an animation"})
            + _MOVES
        )
    if len(text) > 4 * LONGEST:
        return _brief(data, about, around)
    text, whole = clean.inline_styles(text)
    if not whole and data.get("text/plain"):
        return ""
    shown = prose.clean(text, around)
    return shown if "<img" in shown or prose.strip_tags(shown) else ""


def _json(data: Mapping[str, Any], about: Mapping[str, Any], around: Around) -> str:
    return text_html(json.dumps(data["application/json"], indent=2, ensure_ascii=False), around, what="JSON")


def _prose(mime: str):
    def said(data: Mapping[str, Any], about: Mapping[str, Any], around: Around) -> str:
        return f'<div class="said">{prose.to_html(_joined(data[mime]), around=around)[0]}</div>'

    return said


def _widget(data: Mapping[str, Any], about: Mapping[str, Any], around: Around) -> str:
    """Return how a progress bar ended, or what a widget that holds outputs held; nothing for other widgets."""
    text, outputs = _end_state(str((data[WIDGET] or {}).get("model_id")), around.widgets, depth=4)
    return (text_html(text, around) if text else "") + "".join(output_html(each, around) for each in outputs)


def _end_state(model: str, widgets: Mapping[str, Any], *, depth: int) -> tuple[str, list]:
    about = widgets.get(model) or {}
    state, name = about.get("state") or {}, str(about.get("model_name"))
    if name == "OutputModel":
        return "", list(state.get("outputs") or [])[-MOST:]
    if name in ("HTMLModel", "LabelModel"):
        return prose.strip_tags(str(state.get("value", ""))), []
    if name.endswith("ProgressModel"):
        value, most = state.get("value"), state.get("max")
        if not (isinstance(value, int | float) and isinstance(most, int | float) and most > 0):
            return "", []
        bar = f"|{'█' * round(10 * min(1, max(0, value / most))):10}| {value:g} of {most:g}"
        return f"{prose.strip_tags(str(state.get('description') or ''))} {bar}".strip(), []
    if name.endswith("BoxModel") and depth:
        children = [str(child).removeprefix("IPY_MODEL_") for child in state.get("children") or []]
        found = [_end_state(child, widgets, depth=depth - 1) for child in children[:20]]
        said = " ".join(text for text, _ in found if text)
        said = re.sub(r"\| \S+ of \S+ (?=[\d.]+/\d)", "| ", said)  # tqdm counts by itself
        return said, [each for _, outputs in found for each in outputs]
    return "", []


# In the order in which they are tried; text/plain comes last, in `bundle_html`.
_KINDS = {
    PLOTLY: lambda data, about, around: plotly_html(data[PLOTLY], around),
    atlas.MIME: lambda data, about, around: atlas.to_html(data[atlas.MIME]),
    WIDGET: _widget,
    **{mime: _picture(mime) for mime in pictures.KINDS},
    "text/html": _html,
    "text/markdown": _prose("text/markdown"),
    "text/latex": _prose("text/latex"),
    "application/json": _json,
}


def _brief(data: Mapping[str, Any], metadata: Mapping[str, Any], around: Around) -> str:
    """Return a word in place of an output that would make its page too large, with its description and caption."""
    size = max(map(_size, data.values()))
    if size > HUGE:
        around.say(f"an output of {size / 1e6:.1f} MB is left out")
    figure = data.get(PLOTLY)
    about = next((metadata[mime] for mime in pictures.KINDS if metadata.get(mime)), {})
    alt = plotly.describe(figure) if isinstance(figure, Mapping) else str(about.get("alt") or "")
    caption = _caption((plotly.meta_of(figure) if figure else about).get("caption"))
    note = f'<p class="quiet">An output of {size / 1e6:.1f} MB is left out here: it is in the notebook.</p>'
    if alt or caption:
        return f'<figure class="picture missing"><p class="stand-in">{html.escape(alt)}</p>{note}{caption}</figure>'
    text = _joined(data.get("text/plain"))
    return (text_html(text, around, brief=True) if text and not _OBJECT.fullmatch(text.strip()) else "") + note


def _size(content: Any) -> int:
    """Return how many characters one form of an output has: text, or what is written as JSON."""
    if isinstance(content, list) and all(isinstance(line, str) for line in content):
        return sum(map(len, content))
    return len(content) if isinstance(content, str) else len(json.dumps(content))


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
