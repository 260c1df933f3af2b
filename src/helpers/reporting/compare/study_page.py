"""The page of a study: one figure, what was measured over all points, and each point with its results or its error."""

import base64
import json
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from helpers.reporting.compare.study import Study
from helpers.reporting.page import outputs, site
from helpers.results.rows import FRACTIONS

MOST_DRAWN = 8  # lines or rows of dots in the figure
WIDE = 20  # a parameter whose largest value is so many times its smallest is drawn on a logarithmic scale


@dataclass(frozen=True)
class Measure:
    """One result at every point: values[i] belongs to point i, None where the point failed or lacks it."""

    notebook: str
    system: str
    split: str
    metric: str
    model: str | None
    values: tuple[float | None, ...]

    @property
    def share(self) -> bool:
        """Whether it is a fraction, to be shown as a percentage."""
        return self.metric in FRACTIONS

    @property
    def known(self) -> list[float]:
        """Its values at the points that have it."""
        return [value for value in self.values if value is not None]

    @property
    def spread(self) -> float | None:
        """Standard deviation over points, None for fewer than two."""
        return statistics.stdev(self.known) if len(self.known) > 1 else None


def render(study: Study, found: Sequence[Any]) -> str:
    """Return the page; `found` are `study_run.Found`s in the order of the study's points."""
    measures = chosen(compared(found), study.show)
    names = list(dict.fromkeys(name for one in found for name in one.point.varied))
    return (
        site.environment(Path(__file__).with_name("template"))
        .get_template("study.html.j2")
        .render(
            title=study.title,
            name=study.name,
            file=shlex.quote(study.file),
            found=found,
            parameters=names,
            measures=measures,
            several=len({one.point.job.recorded for one in found}) > 1,
            mean=statistics.fmean,
            figure=Markup(figure(found, measures)) if measures else "",
            failures=[one for one in found if one.error],
            seconds=sum(one.seconds for one in found),
            show=study.show,
        )
    )


def compared(found: Sequence[Any]) -> list[Measure]:
    """Return every result that any point recorded, in the order of their first appearance."""
    values: dict[tuple, list[float | None]] = {}
    models: dict[tuple, str | None] = {}
    for place, one in enumerate(found):
        for row in one.report.rows if one.report else ():
            key = (one.point.job.recorded, row.system, row.split, row.metric)
            values.setdefault(key, [None] * len(found))[place] = row.value
            models.setdefault(key, row.model)
    return [Measure(*key, models[key], tuple(column)) for key, column in values.items()]


def chosen(measures: list[Measure], words: Sequence[str]) -> list[Measure]:
    """Return the measures whose names hold one of the words; without words accuracies, or all where there are none."""
    if words:
        wanted = [word.casefold() for word in words]
        return [m for m in measures if any(w in f"{m.system} | {m.split} | {m.metric}".casefold() for w in wanted)]
    return [m for m in measures if m.metric == "accuracy"] or measures


def figure(found: Sequence[Any], measures: list[Measure]) -> str:
    """Return the figure: curves where one number varies (seeds make bands), else a row of dots for each measure."""
    from helpers.figures import charts, distributions, style

    drawn = [m for m in measures if m.metric == measures[0].metric and m.known][:MOST_DRAWN]
    if not drawn:
        return ""
    share, metric = drawn[0].share, drawn[0].metric
    fallback = [colour for name, colour in style.PALETTE.items() if name not in ("published", "chance")]
    colours = [style.PALETTE.get(m.model or "", fallback[i % len(fallback)]) for i, m in enumerate(drawn)]
    if len(set(colours)) < len(colours):  # two of a kind would look alike
        colours = [fallback[i % len(fallback)] for i in range(len(drawn))]
    axis = _axis(found)
    left_out = f" The first {MOST_DRAWN} of {len(measures)} results are drawn." if len(measures) > len(drawn) else ""
    if axis:
        curves = [_curve(found, m, axis, _named(m, drawn), colour) for m, colour in zip(drawn, colours, strict=True)]
        xs = sorted({one.point.varied[axis] for one in found})
        log = xs[0] > 0 and xs[-1] / xs[0] >= WIDE
        made = charts.curves(curves, x_title=axis, y_title=metric, percent=share, log_x=log)
        alt = f"Curves of {metric} against {axis}, from {xs[0]:g} to {xs[-1]:g}, for {len(drawn)} results"
        caption = f"{_moved_most(curves, axis, share)}{_bands(curves)}{left_out}"
    else:
        samples = {_named(m, drawn): m.known for m in drawn}
        made = distributions.spread(samples, colours=colours, x_title=metric, percent=share)
        alt = f"Dots of {metric} at each of {len(found)} points, a row for each of {len(drawn)} results"
        widest = max(drawn, key=lambda m: max(m.known) - min(m.known))
        low, high = (_shown(f(widest.known), share) for f in (min, max))
        caption = f"Each dot is one point. {_named(widest, drawn)} spreads most, from {low} to {high}.{left_out}"
    if share:
        low, high = (100 * f(value for m in drawn for value in m.known) for f in (min, max))
        alt += f"; all between {low:.2f}% and {high:.2f}%"
    if axis:
        made.update_layout(meta={"alt": alt, "caption": caption})
        return outputs.plotly_html(json.loads(made.to_json()))
    data, metadata = style.png(made, alt=alt, caption=caption)
    return outputs.image_html("image/png", base64.b64encode(data).decode(), metadata)


def _axis(found: Sequence[Any]) -> str:
    """Return the one parameter that varies in numbers, seeds aside; "" when there is none or more than one."""
    varied: dict[str, set] = {}
    for one in found:
        for name, value in one.point.varied.items():
            varied.setdefault(name, set()).add(value if isinstance(value, int | float | str | bool) else repr(value))
    names = [name for name, values in varied.items() if len(values) > 1 and name not in ("seed", "notebook")]
    if len(names) != 1 or not all(names[0] in one.point.varied for one in found):
        return ""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in varied[names[0]])
    return names[0] if numbers else ""


def _curve(found: Sequence[Any], measure: Measure, axis: str, name: str, colour: str):
    """Return a measure's mean at each value of the parameter; where seeds repeat it, with their lowest and highest."""
    from helpers.figures.charts import Curve

    at: dict[float, list[float]] = {}
    for one, value in zip(found, measure.values, strict=True):
        if value is not None:
            at.setdefault(one.point.varied[axis], []).append(value)
    xs = sorted(at)
    repeated = any(len(at[x]) > 1 for x in xs)
    low, high = ([f(at[x]) for x in xs] if repeated else None for f in (min, max))
    return Curve(name, xs, [statistics.fmean(at[x]) for x in xs], low, high, colour=colour, markers=True)


def _moved_most(curves: list, axis: str, share: bool) -> str:
    """Say which curve differs most between the smallest and the largest value of the parameter."""
    most = max(curves, key=lambda curve: abs(curve.y[-1] - curve.y[0]))
    ends = f"from {_shown(most.y[0], share)} at {most.x[0]:g} to {_shown(most.y[-1], share)} at {most.x[-1]:g}"
    return f"With {axis}, {most.name} moves most: {ends}."


def _bands(curves: list) -> str:
    banded = any(curve.low is not None for curve in curves)
    return " Lines are means over what else varies, bands their lowest and highest." if banded else ""


def _shown(value: float, share: bool) -> str:
    return f"{100 * value:.2f}%" if share else f"{value:.4g}"


def _named(measure: Measure, among: list[Measure]) -> str:
    """Name a measure as briefly as tells it from the others."""
    parts = [measure.system]
    for field in ("split", "notebook"):
        if len({getattr(m, field) for m in among}) > 1:
            parts.append(getattr(measure, field))
    return ", ".join(parts)
