"""Where the time of a step of training goes: its arithmetic counted, its operations timed by TensorFlow's profiler."""

import math
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from helpers.figures.style import PALETTE, figure_layout
from helpers.runtime.device import keras, silenced_stderr
from helpers.training import step

PASSES = ("forward", "inputs", "weights")  # of a layer: on its way, and the gradients of what it reads and of itself
OUTSIDE = "outside"
WORDS = {"forward": "forward", "inputs": "gradient of inputs", "weights": "gradient of weights"}
WORDS |= {OUTSIDE: "outside the network"}
BETWEEN = "between operations"
# What a node of a step's graph belongs to, by its layer or its kind; the first that is found in its name. Where
# oneDNN computes, a ReLU's way forward is part of the normalization before it.
_LAYERS = {"pool": "pooling", "normalization": "normalization", "re_lu": "ReLU"}
_KINDS = {"ImageProjectiveTransform": "warps", "Gather": "images of the batch"}
_REST = "output, loss, rest"


def arithmetic(model: keras.Model) -> pd.DataFrame:
    """Count the floating-point operations of training with one image, for each convolution and dense layer.

    Columns forward, inputs and weights, the two gradients: each is as much work as the way forward, but nobody asks for
    the gradient of the images, so the first layer's is 0. A multiply-add is two, as in `architectures.size`, and those
    with the zeros around an image count; column zeros has their share, which a library need not compute.
    """
    rows, convolutions = {}, 0
    for layer in model.layers:
        if getattr(layer, "kernel", None) is None:
            continue
        shape = tuple(layer.kernel.shape)
        name = f"output ({shape[0]} → {shape[1]})" if len(shape) == 2 else ""
        if not name:
            convolutions += 1
            name = f"convolution {convolutions} ({shape[0]}×{shape[1]}, {shape[2]} → {shape[3]})"
        flops = 2 * math.prod(layer.output.shape[1:-1]) * math.prod(shape)
        rows[name] = {"forward": flops, "inputs": flops if rows else 0, "weights": flops, "zeros": _zeros(layer)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*PASSES, "zeros"]).rename_axis("layer")


def flops(counts: pd.DataFrame) -> pd.Series:
    """Return the operations of each layer in all three passes together; counts: of `arithmetic`."""
    return counts[[*PASSES]].sum(axis=1)


def _zeros(layer: keras.Layer) -> float:
    """Return which share of a layer's products is with the zeros around an image."""
    within = 1.0
    for axis in range(len(layer.kernel.shape) - 2):
        size, n, stride = layer.kernel.shape[axis], layer.input.shape[1 + axis], layer.strides[axis]
        places = layer.output.shape[1 + axis]
        around = max(0, (places - 1) * stride + size - n) if layer.padding == "same" else 0
        begin = np.arange(places) * stride - around // 2
        within *= np.mean(np.minimum(begin + size, n) - np.maximum(begin, 0)) / size
    return float(1 - within)


def traced(work: Callable) -> tuple[bytes, float]:
    """Return what TensorFlow's profiler saw of a call, and the seconds it took."""
    import tensorflow as tf

    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder, silenced_stderr():
        tf.profiler.experimental.start(folder, options=options)
        begin = time.perf_counter()
        work()
        spent = time.perf_counter() - begin
        tf.profiler.experimental.stop()
        (found,) = Path(folder).rglob("*.xplane.pb")
        return found.read_bytes(), spent


def profile(trace: bytes, ms: float, *, steps: int, network: step.Compiled, batch: int) -> pd.DataFrame:
    """Divide the time of a step, `ms`, among its parts, from what the profiler saw of `steps` of them.

    One row per part and pass ("forward", "inputs", "weights", "outside"), in the order of the network: its ms, share of
    the step and, for a convolution with `batch` images, GFLOP/s. Every operation counts with the median of its
    durations, so that an interruption weighs nothing; what is left of the step's time (interruptions, and the way from
    one operation to the next) is the last row. Raises ValueError where the profiler saw no convolution.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2  # the profiler's own format; it comes with TensorFlow

    seen = [
        (plane.event_metadata[event.metadata_id].name, 1000 * line.timestamp_ns + event.offset_ps, event.duration_ps)
        for plane in xplane_pb2.XSpace.FromString(trace).planes
        for line in plane.lines
        for event in line.events
    ]
    seen = [one for one in sorted(seen, key=lambda one: one[1]) if re.fullmatch(r"while/\S+:\w+", one[0])]
    scope = re.compile(rf"/{network.model.name}(?:_\d+)?/([^/:]+)/")
    order = {}  # of the convolutions, by when they are first asked forward
    for name, _, _ in seen:
        if name.endswith("Conv2D") and "gradient_tape" not in name:
            order.setdefault(scope.search(name)[1], len(order))
    if not order:
        raise ValueError(f"trace: got {len(seen)} operations of a loop of steps; some that convolve are needed")
    counts = arithmetic(network.model)
    convolutions = [name for name in counts.index if name.startswith("convolution")]
    last = [*_LAYERS.values(), _REST, *_KINDS.values(), "optimizer", BETWEEN]
    found = dict.fromkeys(((part, way) for part in convolutions + last for way in (*PASSES, OUTSIDE)), 0.0)
    for name, events in pd.DataFrame(seen, columns=["name", "begin", "ps"]).groupby("name"):
        node, kind = name.split(":")
        layer, way = scope.search(node), "inputs" if "gradient_tape" in node else "forward"
        if layer and layer[1] in order:
            part = convolutions[order[layer[1]]]
            way = "weights" if way == "inputs" and "BackpropInput" not in kind else way
        elif layer:
            part = next((words for word, words in _LAYERS.items() if word in layer[1]), _REST)
        elif f"/{network.optimizer.name}/" in node:
            part, way = "optimizer", OUTSIDE
        else:
            part = next((words for word, words in _KINDS.items() if word in kind and way == "forward"), _REST)
            way = way if part == _REST else OUTSIDE
        found[part, way] += float(events["ps"].median()) * len(events) / steps / 1e9
    found[BETWEEN, OUTSIDE] = ms - sum(found.values())
    table = pd.DataFrame([(*place, spent) for place, spent in found.items() if spent], columns=["part", "pass", "ms"])
    places = zip(table["part"], table["pass"], strict=True)
    done = [batch * counts.at[place] if place[0] in convolutions else math.nan for place in places]
    return table.assign(**{"share": table["ms"] / ms, "GFLOP/s": np.array(done) / 1e6 / table["ms"]})


def chart(parts: pd.DataFrame, counts: pd.DataFrame, *, batch: int, peak: float) -> go.Figure:
    """Draw the milliseconds of a step, a bar for each part in its passes, and how long each would take at the peak.

    parts: of `profile`; counts: of `arithmetic`; batch: images a step; peak: GFLOP/s.
    """
    colours = dict(zip(WORDS, (PALETTE[name] for name in ("svm", "fast", "knn", "published")), strict=True))
    names = list(dict.fromkeys(parts["part"]))
    fig = go.Figure()
    for way, words in WORDS.items():
        rows = parts[parts["pass"] == way]
        speeds = ["" if math.isnan(speed) else f", {speed:.0f} GFLOP/s" for speed in rows["GFLOP/s"]]
        fig.add_bar(
            y=rows["part"],
            x=rows["ms"],
            name=words,
            orientation="h",
            marker_color=colours[way],
            customdata=[f"{ms:.2f} ms, {share:.1%}" for ms, share in zip(rows["ms"], rows["share"], strict=True)],
            text=speeds,
            textposition="none",
            hovertemplate=f"%{{y}}<br>{words}: %{{customdata}}%{{text}}<extra></extra>",
        )
    work = flops(counts) * batch
    least = {part: work[part] / peak / 1e6 for part in names if part in work}
    fig.add_scatter(
        y=list(least),
        x=list(least.values()),
        mode="markers",
        name="all of it at the peak",
        marker={"symbol": "line-ns-open", "size": 18, "color": PALETTE["ensemble"], "line": {"width": 3}},
        hovertemplate="%{y}<br>at the peak: %{x:.2f} ms<extra></extra>",
    )
    figure_layout(fig, height=150 + 42 * len(names))
    fig.update_layout(barmode="stack", legend={"traceorder": "normal"})
    fig.update_xaxes(title_text="milliseconds a step", rangemode="tozero")
    fig.update_yaxes(categoryorder="array", categoryarray=names[::-1], showgrid=False, ticks="")
    # In two lines, or a phone would have no room for the bars; labels end a little before the axis.
    fig.update_yaxes(tickvals=names, ticktext=[name.replace(" (", "  <br>(") + "  " for name in names])
    return fig
