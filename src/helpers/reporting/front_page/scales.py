"""Numbers of a plotly figure, decoded, and where they fall in a small drawing."""

import base64
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_COLOUR = re.compile(r"#[0-9a-f]{3,8}|rgba?\([\d., %]+\)|[a-z]{3,20}", re.IGNORECASE)
_SEQUENTIAL = ("#f2f0f7", "#54278f")  # where a field of numbers names no colours
_FINEST = 64  # cells along each side of a drawn heat map


@dataclass(frozen=True)
class Scale:
    """One axis: numbers or names between `low` and `high` fall between `start` and `end` of the drawing."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, layout: Mapping[str, Any], name: str, data: Sequence, span: tuple[float, float]) -> "Scale":
        """Return the axis that plotly calls `name` ("x2"), as its layout says or as wide as `data`."""
        axis = layout.get(f"{name[0]}axis{name[1:]}") or {}
        domain = axis.get("domain") or (0, 1)
        start, end = (span[0] + (span[1] - span[0]) * float(part) for part in domain)
        names = tuple(dict.fromkeys(str(each) for each in data)) if _is_category(axis, data) else ()
        log = axis.get("type") == "log"
        if names:
            low, high = -0.6, len(names) - 0.4
        else:
            numbers = [_number(each, log=log) for each in data]
            numbers = [each for each in numbers if each is not None] or [0.0, 1.0]
            low, high = min(numbers), max(numbers)
            pad = 0.04 * (high - low) or 0.5
            low, high = low - pad, high + pad
        wanted = axis.get("range")
        if isinstance(wanted, list) and len(wanted) == 2 and all(isinstance(each, int | float) for each in wanted):
            low, high = wanted
        elif str(axis.get("autorange")) == "reversed":
            low, high = high, low
        return cls(float(low), float(high), start, end, log, names)

    def __call__(self, value: Any) -> float | None:
        """Return where a value falls, kept within the drawing; None for one that has no place."""
        if self.names:
            number = self.names.index(str(value)) if str(value) in self.names else _number(value)
        else:
            number = _number(value, log=self.log)
        if number is None or self.high == self.low:
            return None
        share = min(max((number - self.low) / (self.high - self.low), -0.02), 1.02)
        return self.start + (self.end - self.start) * share

    def shift(self, value: Any, by: float) -> float | None:
        """Return where a number moved `by` so much falls."""
        number = _number(value)
        return None if number is None or self.names else self(number + by)

    def floor(self) -> float:
        """Return where bars stand: at zero, or at the edge where zero is out of sight."""
        if self.log or self.names or not min(self.low, self.high) <= 0 <= max(self.low, self.high):
            return self.start
        return self(0) or self.start


def values(data: Any) -> list:
    """Return a column of a plotly figure as a list: it may be one already, or packed as base64 ("bdata")."""
    if isinstance(data, Mapping) and "bdata" in data:
        shape = [int(each) for each in str(data.get("shape") or "-1").split(",")]
        kind = np.dtype(str(data["dtype"])).newbyteorder("<")
        return np.frombuffer(base64.b64decode(data["bdata"]), kind).reshape(shape).tolist()
    return list(data) if isinstance(data, list | tuple) else []


def extent(trace: Mapping[str, Any], name: str) -> list:
    """Return what an axis must have room for: a trace's values, its error bars, and zero under bars."""
    column = values(trace.get(name))
    if trace.get("type") == "heatmap":
        z = values(trace.get("z"))
        n = len(z) if name == "y" else len(z[0]) if z else 0
        column = column or list(range(n))
        return [min(column) - 0.5, max(column) + 0.5] if column and not isinstance(column[0], str) else column
    error = trace.get(f"error_{name}") or {}
    plus = values(error.get("array"))
    minus = values(error.get("arrayminus")) or plus
    column = column + [a + b for a, b in zip(column, plus, strict=False) if _are_numbers(a, b)]
    column += [a - b for a, b in zip(column, minus, strict=False) if _are_numbers(a, b)]
    upright = trace.get("orientation") != "h"
    return [*column, 0] if trace.get("type") == "bar" and (name == "y") == upright and column else column


def thinned(sequence: Sequence, most: int) -> list:
    """Return at most so many of the elements, evenly taken, the first and the last among them."""
    if len(sequence) <= most:
        return list(sequence)
    return [sequence[round(i * (len(sequence) - 1) / (most - 1))] for i in range(most)]


def safe_colour(colour: Any) -> str | None:
    """Return a colour that may stand in an attribute; None for no colour, and for ink that only one theme shows."""
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour.strip()):
        return None
    rgb = _rgb(colour.strip())
    if rgb is None:
        return None if colour in {"black", "white"} else colour.strip()
    light = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), rgb, strict=False)) / 255
    return colour.strip() if 0.13 < light < 0.9 else None


def colours_of(marker: Mapping[str, Any], n: int) -> list[str]:
    """Return the colours of `n` marks where each has its own, by name or by number; else nothing."""
    given = values(marker.get("color"))
    if len(given) != n or not n:
        return []
    if all(isinstance(each, str) for each in given):
        return given
    numbers = np.array([np.nan if _number(each) is None else float(each) for each in given])
    return [_hex(each) for each in _coloured(numbers[None], marker)[0]] if np.isfinite(numbers).any() else []


def heat(trace: Mapping[str, Any], x: Scale, y: Scale) -> str:
    """Return a heat map as a picture of one pixel a cell (at most 64 each way), stretched to its place."""
    from PIL import Image  # only where there is a heat map

    z = [[_number(each) for each in values(row) or row] for row in values(trace.get("z"))]
    if not z or not z[0]:
        return ""
    field = np.array(z, dtype=float)
    field = field[:: math.ceil(field.shape[0] / _FINEST), :: math.ceil(field.shape[1] / _FINEST)]
    if not np.isfinite(field).any():
        return ""
    paint = _coloured(field, trace)
    paint[..., 3] = np.where(np.isfinite(field), paint[..., 3], 0)
    paint = paint.round().astype(np.uint8)
    if (y.high > y.low) == (y.end < y.start):
        paint = paint[::-1]  # row 0 at the foot
    buffer = io.BytesIO()
    Image.fromarray(paint, "RGBA").save(buffer, "PNG", optimize=True)
    address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    left, top = min(x.start, x.end), min(y.start, y.end)
    box = (left, top, abs(x.end - x.start), abs(y.end - y.start))
    place = 'x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"'.format(*box)
    return f'<image {place} preserveAspectRatio="none" href="{address}"/>'


def _coloured(field: np.ndarray, about: Mapping[str, Any]) -> np.ndarray:
    low = about.get("zmin", about.get("cmin"))
    high = about.get("zmax", about.get("cmax"))
    low = float(np.nanmin(field)) if low is None else float(low)
    high = float(np.nanmax(field)) if high is None else float(high)
    share = np.clip((np.nan_to_num(field, nan=low) - low) / ((high - low) or 1), 0, 1)
    scale = about.get("colorscale")
    stops = [(float(at), _rgb(colour)) for at, colour in scale] if isinstance(scale, list) else []
    stops = [stop for stop in stops if stop[1]] or [(0.0, _rgb(_SEQUENTIAL[0])), (1.0, _rgb(_SEQUENTIAL[1]))]
    at = [stop[0] for stop in stops]
    return np.dstack([np.interp(share, at, [stop[1][channel] for stop in stops]) for channel in range(4)])


def _hex(rgb: Iterable[float]) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in list(rgb)[:3])


def _rgb(colour: str) -> tuple[float, float, float, float] | None:
    """Return red, green, blue and opacity, each 0 to 255, of a colour written with digits; None for a name."""
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) > 5 else "".join(2 * each for each in colour[1:])
        return tuple(int(f"{digits}ff"[i : i + 2], 16) for i in (0, 2, 4, 6))
    if colour.startswith("rgb"):
        red, green, blue, opacity = [*map(float, re.findall(r"[\d.]+", colour)), 1.0][:4]
        return red, green, blue, 255 * opacity
    return None


def _is_category(axis: Mapping[str, Any], data: Sequence) -> bool:
    return axis.get("type") == "category" or any(isinstance(each, str) and _number(each) is None for each in data)


def _are_numbers(*numbers: Any) -> bool:
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers)


def _number(value: Any, *, log: bool = False) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or (log and number <= 0):
        return None
    return math.log10(number) if log else number
