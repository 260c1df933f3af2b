"""A plotly figure as an inert JSON island that report.js draws, or a word where a page that asks nobody cannot."""

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

MIME = "application/vnd.plotly.v1+json"
# Kinds whose kin in SVG look the same, and need no WebGL; only with very many points is that too slow.
_KIN = {"scattergl": "scatter", "scatterpolargl": "scatterpolar"}
MANY = 20_000  # points of a trace
_REGL = {*_KIN, "splom", "parcoords"}  # plotly's usual script draws them by scripts made from text, the strict one not
_WEBGL = {"surface", "scatter3d", "mesh3d", "cone", "streamtube", "volume", "isosurface", *_REGL}
_MAPS = {"scattergeo", "choropleth"}
USUAL, STRICT, COASTS = "plotly.min.js", "plotly-strict.min.js", "plotly-geo.min.js"


def to_html(figure: Any, *, caption: str = "", say: Callable[[str], None] = lambda words: None) -> str:
    """Return a figure; `caption` is safe HTML.

    Only data, layout and frames are kept; how the figure behaves (`config`) is the page's business. The description in
    `layout.meta.alt`, or one made of its titles, stands in wherever the drawing is missing.
    """
    if not isinstance(figure, Mapping):
        return ""
    layout = dict(figure.get("layout") or {})
    alt = html.escape(describe(figure))
    traces = [_as_svg(trace) for trace in figure.get("data") or [] if isinstance(trace, Mapping)]
    kinds = {str(trace.get("type", "scatter")) for trace in traces}
    if cannot := _obstacle(kinds, traces):
        say(f"{cannot} is shown as its description")
        words = f"{cannot[0].upper()}{cannot[1:]}: to be seen in the notebook."
        return (
            f'<figure class="picture missing" role="group" aria-label="{alt}"><p class="stand-in">{alt}</p>'
            f'<p class="quiet">{words}</p>{caption}</figure>'
        )
    height, width = layout.get("height"), layout.pop("width", None)
    height = int(height) if isinstance(height, int | float) and 80 <= height <= 4000 else 420
    layout["height"] = height
    # Its own width is the most that it takes: a telephone has less.
    widest = f";max-width:{int(width)}px" if isinstance(width, int | float) and 80 <= width <= 4000 else ""
    for place in [name for name in layout if re.fullmatch(r"geo\d*", name)]:
        layout[place] = {**layout[place], "resolution": 110}  # of the coastlines that a page has
    island = {"data": traces, "layout": layout}
    if figure.get("frames"):
        island["frames"] = [
            {**frame, "data": [_as_svg(trace) for trace in frame.get("data") or []]} for frame in figure["frames"]
        ]
    needs = {"webgl": kinds & _WEBGL, "regl": kinds & _REGL, "map": kinds & _MAPS}
    needed = " ".join(name for name, found in needs.items() if found)
    needed = f' data-needs="{needed}"' if needed else ""
    return (
        f'<figure class="plot"{needed} role="group" aria-label="{alt}">'
        f'<div class="canvas" style="min-height:{height}px{widest}"><p class="stand-in">{alt}</p></div>'
        f'<script type="application/json">{inert_json(island)}</script>'
        f"{caption}</figure>"
    )


def scripts(page: str) -> list[str]:
    """Return which of plotly's scripts the charts of a page need, in the order in which they are to be read."""
    if '<figure class="plot"' not in page:
        return []
    needed = set(" ".join(re.findall(r'<figure class="plot" data-needs="([a-z ]+)"', page)).split())
    return [*([COASTS] if "map" in needed else []), STRICT if "regl" in needed else USUAL]


def meta_of(figure: Any) -> Mapping[str, Any]:
    """Return what `layout.meta` says of a figure: alt and caption, for those of this series."""
    meta = (figure.get("layout") or {}).get("meta") if isinstance(figure, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}


def describe(figure: Mapping[str, Any]) -> str:
    """Return a figure's own description; without one, its titles in a sentence."""
    if alt := str(meta_of(figure).get("alt") or "").strip():
        return alt
    layout = figure.get("layout") or {}
    traces = [trace for trace in figure.get("data") or [] if isinstance(trace, Mapping)]
    kinds = list(dict.fromkeys(str(trace.get("type", "scatter")).removesuffix("gl") for trace in traces))
    x, y = (_title(layout.get(f"{name}axis")) for name in "xy")
    axes = f"{y} against {x}" if x and y else x or y
    names = list(dict.fromkeys(str(trace["name"]) for trace in traces if trace.get("name")))[:6]
    parts = [_title(layout), axes, f"with {', '.join(names)}" if names else ""]
    said = ", ".join(part for part in parts if part)
    return f"Chart ({', '.join(kinds) or 'empty'}): {said}" if said else "Chart without a description"


def inert_json(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in, nor begin a comment there."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _title(part: Any) -> str:
    title = part.get("title") if isinstance(part, Mapping) else ""
    text = title.get("text") if isinstance(title, Mapping) else title
    return " ".join(str(text or "").replace("<br>", " ").split())


def _as_svg(trace: Mapping[str, Any]) -> Mapping[str, Any]:
    kin = _KIN.get(str(trace.get("type")))
    few = max(_length(trace.get(name)) for name in ("x", "y", "r")) <= MANY
    return {**trace, "type": kin} if kin and few else trace


def _length(values: Any) -> int:
    """Return how many numbers an array has, also one that plotly.py has packed: {"dtype": "f8", "bdata": base64}."""
    if isinstance(values, Mapping):
        size = str(values.get("dtype", ""))[-1:]
        return len(str(values.get("bdata", ""))) * 3 // 4 // int(size) if size in "1248" and size else 0
    return len(values) if isinstance(values, list) else 0


def _obstacle(kinds: set[str], traces: list) -> str:
    """Return what a page cannot draw, in words: it asks no server for tiles or for the outlines of regions."""
    if any("map" in kind and kind not in ("heatmap", "treemap") for kind in kinds):
        return "a map with tiles"
    if any(isinstance(trace.get("geojson"), str) for trace in traces):
        return "a map of regions that are elsewhere"
    return ""
