"""A plotly figure as a few light strokes: the small picture of a report on the front page.

No labels and no ticks: it shows the shape of the finding, drawn from the figure's own numbers in its own colours.
What is grey or has no colour takes that of the page, so that it serves in light and in dark.
"""

import html
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from helpers.reporting.front_page import scales
from helpers.reporting.front_page.scales import Scale, thinned, values

WIDTH, HEIGHT, EDGE = 240, 150, 5
MOST_DOTS, MOST_POINTS, MOST_LETTERS, MOST_PANELS = 220, 70, 170, 12
_COLOURWAY = ("#0072b2", "#d98c00", "#009e73", "#d55e00", "#c8649b", "#7b5cd6", "#8c6d31")


def svg(chart: Mapping[str, Any], *, alt: str) -> Markup:
    """Return a drawing of 240 by 150 units; `chart` has plotly's "data" and "layout". Nothing drawable: an empty one.

    Lines, filled bands, dots, single characters, bars, error bars, heat maps and straight shapes are drawn; up to
    twelve pairs of axes side by side as the layout places them.
    """
    layout = chart.get("layout") or {}
    traces = [trace for trace in chart.get("data") or [] if trace.get("visible", True) is True]
    panels: dict[tuple[str, str], list[tuple[int, Mapping]]] = {}
    for place, trace in enumerate(traces):
        axes = (str(trace.get("xaxis") or "x"), str(trace.get("yaxis") or "y"))
        panels.setdefault(axes, []).append((place, trace))
    colourway = ((layout.get("template") or {}).get("layout") or {}).get("colorway") or _COLOURWAY
    parts = []
    for (x_name, y_name), members in list(panels.items())[:MOST_PANELS]:
        own = [trace for _, trace in members]
        x = Scale.of(
            layout, x_name, [each for trace in own for each in scales.extent(trace, "x")], (EDGE, WIDTH - EDGE)
        )
        y = Scale.of(
            layout, y_name, [each for trace in own for each in scales.extent(trace, "y")], (HEIGHT - EDGE, EDGE)
        )
        parts += [_shape(shape, x, y) for shape in layout.get("shapes") or [] if _of_panel(shape, x_name, y_name)]
        crowd = len(members)
        for place, trace in members:
            colour = _first_colour(trace) or colourway[place % len(colourway)]
            parts += _trace(trace, x, y, colour, crowd=crowd, among=own)
        parts.append(f'<path class="axis" d="M{x.start:.0f} {y.end:.0f}V{y.start:.0f}H{x.end:.0f}"/>')
    body = "".join(part for part in parts if part)
    return Markup(
        f'<svg class="sketch" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(alt)}">{body}</svg>'
    )


def _trace(trace: Mapping, x: Scale, y: Scale, colour: str, *, crowd: int, among: list) -> list[str]:
    kind = trace.get("type", "scatter")
    if kind == "heatmap":
        return [scales.heat(trace, x, y)]
    if kind == "bar":
        return _bars(trace, x, y, colour, [each for each in among if each.get("type") == "bar"])
    if kind != "scatter":
        return []
    xs, ys = values(trace.get("x")), values(trace.get("y"))
    points = [(x(a), y(b)) for a, b in zip(xs or list(range(len(ys))), ys, strict=False)]
    mode = trace.get("mode") or "lines+markers"
    parts = _errors(trace, points, x, y, colour)
    if trace.get("fill") in {"toself", "tonexty", "tozeroy"} or "lines" in mode:
        parts += _line(trace, points, colour)
    if "markers" in mode or "text" in mode:
        parts += _marks(trace, points, colour, mode=mode, most=MOST_DOTS // max(1, min(crowd, 10)))
    return parts


def _line(trace: Mapping, points: list, colour: str) -> list[str]:
    known = [point for point in points if None not in point]
    if len(known) < 2:
        return []
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in thinned(known, MOST_POINTS))
    if trace.get("fill") == "toself":
        opacity = 0.18 if trace.get("opacity") is None else float(trace["opacity"])
        return [f'<path d="{path}Z" fill="{_ink(colour)}" opacity="{min(opacity, 0.35):.2f}"/>']
    dash = ' stroke-dasharray="4 3"' if (trace.get("line") or {}).get("dash") in {"dash", "dot", "dashdot"} else ""
    if not (trace.get("line") or {}).get("width", 2):
        return []
    return [f'<path class="line" d="{path}" stroke="{_ink(colour)}"{dash}/>']


def _marks(trace: Mapping, points: list, colour: str, *, mode: str, most: int) -> list[str]:
    marker = trace.get("marker") or {}
    colours = scales.colours_of(marker, len(points)) or [colour] * len(points)
    texts = trace.get("text")
    letters = "text" in mode and "markers" not in mode and isinstance(texts, list | str)
    texts = [texts] * len(points) if isinstance(texts, str) else list(texts or [])
    if letters and any(len(str(text)) > 1 for text in texts):
        return []  # words of a chart's labels would be dust at this size
    found = []
    rows = [i for i, point in enumerate(points) if None not in point]
    for i in thinned(rows, min(most, MOST_LETTERS) if letters else most):
        a, b = points[i]
        ink = _ink(colours[i])
        if letters:
            found.append(f'<text x="{a:.1f}" y="{b:.1f}" fill="{ink}">{html.escape(str(texts[i]))}</text>')
        else:
            found.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{2.6 if len(rows) < 60 else 1.8}" fill="{ink}"/>')
    return found


def _errors(trace: Mapping, points: list, x: Scale, y: Scale, colour: str) -> list[str]:
    found = []
    for name, scale, origin in (("error_x", x, "x"), ("error_y", y, "y")):
        error = trace.get(name) or {}
        plus = values(error.get("array"))
        minus = values(error.get("arrayminus")) or plus
        centres = values(trace.get(origin))
        if not plus or len(points) > 60:
            continue
        marker = trace.get("marker") or {}
        colours = scales.colours_of(marker, len(points)) or [colour] * len(points)
        for i, (point, up, down, centre) in enumerate(zip(points, plus, minus, centres, strict=False)):
            low, high = scale.shift(centre, -(down or 0)), scale.shift(centre, up or 0)
            if None in point or None in (low, high):
                continue
            a, b = point
            way = f"M{low:.1f} {b:.1f}H{high:.1f}" if name == "error_x" else f"M{a:.1f} {low:.1f}V{high:.1f}"
            found.append(f'<path class="whisk" d="{way}" stroke="{_ink(colours[i])}"/>')
    return found


def _bars(trace: Mapping, x: Scale, y: Scale, colour: str, bars: list) -> list[str]:
    lying = trace.get("orientation") == "h"
    along, up = (y, x) if lying else (x, y)
    at, size = values(trace.get("y" if lying else "x")), values(trace.get("x" if lying else "y"))
    at = at or list(range(len(size)))
    colours = scales.colours_of(trace.get("marker") or {}, len(size)) or [colour] * len(size)
    step = abs(along.end - along.start) / max(1, len(set(map(str, at))))
    width = 0.78 * step / len(bars)
    slot = next((i for i, bar in enumerate(bars) if bar is trace), 0)
    found = []
    for place, value, ink in zip(at, size, colours, strict=False):
        middle, top, foot = along(place), up(value), up.floor()
        if None in (middle, top):
            continue
        left = middle + (slot - len(bars) / 2) * width
        low, length = min(top, foot), abs(top - foot)
        box = (low, left, length, width) if lying else (left, low, width, length)
        found.append(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"'.format(*box) + f' fill="{_ink(ink)}"/>'
        )
    return found


def _shape(shape: Mapping, x: Scale, y: Scale) -> str:
    if shape.get("type") not in {"line", "rect"}:
        return ""
    ends = []
    for scale, name in ((x, "x"), (y, "y")):
        ref = str(shape.get(f"{name}ref") or name)
        for end in (f"{name}0", f"{name}1"):
            value = shape.get(end)
            if "domain" in ref or ref == "paper":
                ends.append(scale.start + (scale.end - scale.start) * float(value or 0))
            else:
                ends.append(scale(value))
    if None in ends:
        return ""
    x0, x1, y0, y1 = ends
    if shape["type"] == "line":
        return f'<path class="rule" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>'
    box = (min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
    return '<rect class="box" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'.format(*box)


def _of_panel(shape: Mapping, x_name: str, y_name: str) -> bool:
    names = {str(shape.get("xref") or "x").split()[0], str(shape.get("yref") or "y").split()[0]} - {"paper"}
    return names <= {x_name, y_name}


def _first_colour(trace: Mapping) -> str | None:
    places = ((trace.get("line") or {}).get("color"), (trace.get("marker") or {}).get("color"), trace.get("fillcolor"))
    text = (trace.get("textfont") or {}).get("color")
    return next((colour for colour in (*places, text) if isinstance(colour, str)), None)


def _ink(colour: str) -> str:
    return scales.safe_colour(colour) or "currentColor"
