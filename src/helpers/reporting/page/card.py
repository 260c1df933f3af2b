"""What a page says of itself for the front page: its title, the text of its sections, its key figure, small.

A card is a file of JSON, assets/cards/NN_name.json, with the picture in it: the front page embeds it.
"""

import base64
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from helpers.reporting.page import outputs, prose, render
from helpers.runtime.files import write_atomically

SIZE = (480, 300)  # pixels: twice what the front page gives it, for fine screens
_COLOURS = 48
_GREY = "#8a8a8a"  # between the inks of the light and of the dark page
_COLOURWAY = ("#0072b2", "#d98c00", "#009e73", "#d55e00", "#c8649b", "#7b5cd6", "#8c6d31")


def write(directory: Path, slug: str, notebook: Mapping[str, Any]) -> None:
    """Write the card of an executed notebook into `directory`."""
    about = {"title": render.title_of(notebook), "picture": None, "sections": sections(notebook)}
    figure = key_figure(notebook)
    if figure and (png := picture(*figure[:2])):
        width, height = (int.from_bytes(png[at : at + 4], "big") // 2 for at in (16, 20))
        address = "data:image/png;base64," + base64.b64encode(png).decode()
        about["picture"] = {"src": address, "alt": figure[2], "invert": figure[3], "width": width, "height": height}
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
    write_atomically(directory / f"{slug}.json", text + "\n")


def sections(notebook: Mapping[str, Any]) -> list[list[str]]:
    """Return [anchor, heading, text] of each section (h2 and h3); an empty anchor for what stands before the first.

    Prose, tables, captions and what cells say count; code, printed lines and errors do not.
    """
    found = [["", "", ""]]
    taken = set(render.RESERVED)
    for cell in render.title_and_rest(notebook)[1]:
        tags = cell.get("metadata", {}).get("tags", [])
        if "remove-cell" in tags:
            continue
        if cell["cell_type"] == "markdown":
            for heading, text in prose.passages(*prose.to_html(render.source_of(cell), taken=taken)):
                if heading and heading.level <= 3:
                    found.append([heading.anchor, heading.text, text])
                else:
                    found[-1][2] += f" {heading.text if heading else ''} {text}"
        elif "remove-output" not in tags:
            found[-1][2] += " " + outputs.words(cell.get("outputs", []))
    found = [[anchor, heading, " ".join(text.split())] for anchor, heading, text in found]
    return [part for part in found if part[1] or part[2]]


def first_sentence(about: Mapping[str, Any]) -> str:
    """Return the first sentence of a card's text, at most 240 characters of it; nothing where it has none."""
    text = next((part[2] for part in about.get("sections") or [] if part[2]), "")
    sentence = re.split(r"(?<=[.!?])\s+(?=[^a-z])", text, maxsplit=1)[0]
    return sentence if len(sentence) <= 240 else sentence[:239].rstrip() + "…"


def key_figure(notebook: Mapping[str, Any]) -> tuple[str, Any, str, bool] | None:
    """Return (MIME type, content, description, whether it is dark ink on nothing) of the figure that stands outside.

    It is the first of the cell tagged `key-figure`; else the first chart; else the first picture; None without any.
    """
    found = []
    for cell in notebook["cells"]:
        tags = cell.get("metadata", {}).get("tags", [])
        key = "key-figure" in tags
        if {"remove-cell", "remove-output"} & set(tags):
            continue
        for output in cell.get("outputs", []):
            data, metadata = output.get("data") or {}, output.get("metadata") or {}
            if outputs.PLOTLY in data:
                chart = data[outputs.PLOTLY]
                alt = ((chart.get("layout") or {}).get("meta") or {}).get("alt") or ""
                found.append((not key, False, (outputs.PLOTLY, chart, str(alt), False)))
            elif "image/png" in data:
                about = metadata.get("image/png") or {}
                shown = ("image/png", data["image/png"], str(about.get("alt") or ""), about.get("invert") is True)
                found.append((not key, True, shown))
    return min(found, key=lambda each: each[:2])[2] if found else None


def picture(mime: str, content: Any) -> bytes | None:
    """Return a figure as a small PNG; None for one that cannot be read: it must not cost a page."""
    from PIL import Image

    try:
        if mime == outputs.PLOTLY:
            small = Image.open(io.BytesIO(_drawn(content)))
        else:
            small = _shrunk(Image.open(io.BytesIO(base64.b64decode("".join(content)))).convert("RGBA"))
        buffer = io.BytesIO()
        small.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError):
        return None
    return buffer.getvalue()


def _shrunk(whole):
    """Return a picture at a card's size; of one that is far too wide or too tall the left or upper part."""
    width, height = SIZE
    scale = min(1.0, height / whole.height)
    if whole.width >= width:
        scale = max(scale, width / whole.width)
    small = whole.resize((max(1, round(whole.width * scale)), max(1, round(whole.height * scale))))
    return small.crop((0, 0, min(small.width, width), min(small.height, height)))


def _drawn(chart: Mapping[str, Any]) -> bytes:
    """Draw lines, dots, bars, whiskers and heat maps of a plotly chart without any text: the shape of the finding."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layout = chart.get("layout") or {}
    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100)
    canvas, panels = FigureCanvasAgg(figure), {}
    for place, trace in enumerate(chart.get("data") or []):
        if trace.get("visible", True) is not True:
            continue
        names = tuple(trace.get(f"{axis}axis") or axis for axis in "xy")
        if names not in panels:
            x, y = (layout.get(f"{name[0]}axis{name[1:]}") or {} for name in names)
            (left, right), (low, high) = x.get("domain") or (0, 1), y.get("domain") or (0, 1)
            box = (0.02 + 0.96 * left, 0.02 + 0.96 * low, 0.96 * (right - left), 0.96 * (high - low))
            panels[names] = _panel(figure.add_axes(box), x, y)
        _trace(panels[names], trace, _COLOURWAY[place % len(_COLOURWAY)])
    for names, axes in panels.items():
        for name, limits in zip(names, (axes.set_xlim, axes.set_ylim), strict=True):
            about = layout.get(f"{name[0]}axis{name[1:]}") or {}
            if given := about.get("range"):
                limits([10**end for end in given] if about.get("type") == "log" else given)
            elif about.get("autorange") == "reversed":
                limits(reversed(limits.__self__.get_xlim() if name[0] == "x" else limits.__self__.get_ylim()))
    buffer = io.BytesIO()
    canvas.print_figure(buffer, format="png", facecolor="none")
    return buffer.getvalue()


def _panel(axes, x: Mapping, y: Mapping):
    axes.set_facecolor("none")
    axes.set(xscale="log" if x.get("type") == "log" else "linear", yscale="log" if y.get("type") == "log" else "linear")
    axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    return axes


def _trace(axes, trace: Mapping, colour: str) -> None:
    marker, line = trace.get("marker") or {}, trace.get("line") or {}
    colour = _colour(marker.get("color")) or _colour(line.get("color")) or colour
    x, y = _values(trace.get("x")), _values(trace.get("y"))
    if trace.get("type") == "heatmap":
        grid = np.asarray(_values(trace.get("z")), float)
        return axes.imshow(grid, aspect="auto", origin="lower", cmap=_colours(trace.get("colorscale")))
    if trace.get("type") == "bar":
        draw = axes.barh if trace.get("orientation") == "h" else axes.bar
        return draw(*((y, x) if trace.get("orientation") == "h" else (x, y)), color=colour)
    x = range(len(y)) if x is None else x
    mode = trace.get("mode") or "lines+markers"
    if trace.get("fill") == "toself":
        return axes.fill(x, y, color=colour, alpha=0.18, linewidth=0)
    if "lines" in mode and line.get("width", 2):
        axes.plot(x, y, color=colour, linewidth=2.2, linestyle="-" if line.get("dash", "solid") == "solid" else "--")
    if "markers" in mode:
        axes.scatter(x, y, c=colour, s=34 if len(y) < 60 else 10, linewidths=0)
        for name in ("x", "y"):
            error = trace.get(f"error_{name}") or {}
            if (above := _values(error.get("array"))) is not None:
                below = _values(error.get("arrayminus"))
                reach = [above if below is None else below, above]
                axes.errorbar(x, y, **{f"{name}err": reach}, fmt="none", ecolor=colour, elinewidth=1.6)


def _values(content: Any) -> Any:
    """Return what a trace holds: a list, or the array that plotly packed into base64."""
    if isinstance(content, Mapping):
        flat = np.frombuffer(base64.b64decode(content["bdata"]), content["dtype"])
        shape = content.get("shape")
        return flat.reshape([int(n) for n in str(shape).split(",")]) if shape else flat
    return content


def _colour(given: Any) -> Any:
    """Return a colour, or a list of one for each point, as matplotlib takes it; None where there is none."""
    if isinstance(given, list | tuple):
        return [_colour(one) or _GREY for one in given]
    if not isinstance(given, str):
        return None
    if numbers := re.findall(r"[\d.]+", given) if given.startswith("rgb") else None:
        return tuple(float(n) / 255 for n in numbers[:3]) + tuple(float(n) for n in numbers[3:])
    return given


def _colours(scale: Any):
    from matplotlib.colors import LinearSegmentedColormap

    if not isinstance(scale, list | tuple):
        return "Greys"
    return LinearSegmentedColormap.from_list("scale", [(float(at), _colour(colour)) for at, colour in scale])
