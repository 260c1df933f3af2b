"""A plotly figure as an inert JSON island that report.js draws, or a word where a strict page cannot draw it."""

import html
import json
from collections.abc import Callable, Mapping
from typing import Any

MIME = "application/vnd.plotly.v1+json"
# Kinds that are drawn by WebGL, which needs scripts made from text, and their kin in SVG.
_KIN = {"scattergl": "scatter", "scatterpolargl": "scatterpolar", "heatmapgl": "heatmap", "pointcloud": "scatter"}
_SPATIAL = {"surface", "scatter3d", "mesh3d", "cone", "streamtube", "volume", "isosurface", "splom", "parcoords"}


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
    if cannot := _obstacle(kinds, traces, layout):
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
    island = {"data": traces, "layout": layout}
    if figure.get("frames"):
        island["frames"] = [
            {**frame, "data": [_as_svg(trace) for trace in frame.get("data") or []]} for frame in figure["frames"]
        ]
    return (
        f'<figure class="plot" role="group" aria-label="{alt}">'
        f'<div class="canvas" style="min-height:{height}px{widest}"><p class="stand-in">{alt}</p></div>'
        f'<script type="application/json">{inert_json(island)}</script>'
        f"{caption}</figure>"
    )


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
    return {**trace, "type": kin} if kin else trace


def _obstacle(kinds: set[str], traces: list, layout: Mapping[str, Any]) -> str:
    """Return what a page cannot draw, in words: it has no WebGL, and asks no server for tiles or coastlines."""
    if kinds & _SPATIAL:
        flat = kinds & _SPATIAL <= {"splom", "parcoords"}
        return "a chart that needs WebGL" if flat else "a chart in three dimensions"
    if any("map" in kind and kind not in ("heatmap", "treemap") for kind in kinds):
        return "a map with tiles"
    if kinds & {"scattergeo", "choropleth"}:
        return "a map"
    return ""
