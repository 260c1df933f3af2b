"""How near a training comes to the processor's limit, and where the time of a step goes."""

import contextlib
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from helpers.data import load
from helpers.experiments.smallest_and_fastest import candidates, limit, step_profile
from helpers.models import architectures
from helpers.training import recipes, step

LOOP = "while/body/_1/while"


@pytest.fixture(scope="module")
def tiny():
    """A training of two filters a convolution, of 16 images a step, in the format that every processor has."""
    split = load.make_split("standard", n_train=64, n_validation=10, n_test=10)
    changes = {"batch_size": 16, "precision": "float32", "options": {"filters": (2, 2, 2, 2, 2)}}
    return recipes.fast("fast_small", split, **changes)


@pytest.fixture(scope="module")
def network(tiny):
    with step.borrowed(tiny) as made:
        yield made


def test_the_arithmetic_of_the_final_network_is_what_its_layers_say():
    model = architectures.build("fast_e", precision="float32")
    counts = step_profile.arithmetic(model)
    # Positions of the output x kernel x channels in x channels out, and two for a multiply-add.
    by_hand = [24**2 * 25 * 32, 12**2 * 9 * 32 * 32, 10**2 * 9 * 32 * 64, 5**2 * 9 * 64 * 64, 3**2 * 9 * 64 * 128]
    assert counts["forward"].tolist() == [2 * one for one in [*by_hand, 128 * 10]]
    assert counts["forward"].sum() == architectures.size(model).flops
    assert (counts["weights"] == counts["forward"]).all()
    assert counts["inputs"].tolist() == [0, *counts["forward"].iloc[1:]], "nobody asks for the gradient of the images"
    # Of the 12 x 3 and the 5 x 3 places on a side of the two padded ones, two hold a zero.
    assert counts["zeros"].tolist() == pytest.approx([0, 1 - (34 / 36) ** 2, 0, 1 - (13 / 15) ** 2, 0, 0])
    assert counts.index[0] == "convolution 1 (5×5, 1 → 32)"
    assert counts.index[-1] == "output (128 → 10)"


def test_a_training_is_measured_and_its_numbers_agree_with_one_another(tiny):
    found = limit.measure({"tiny": tiny}, seconds=0.0, sides=(16, 32))
    (row,) = found.rates.to_dict("records")
    assert found.rounds == limit.LEAST
    assert row["format"] == "float32"
    assert row["weights"] == 2 * 25 + 4 * 9 * 4 + 5 * 4 * 2 + 2 * 10 + 10, "kernels, four numbers a channel, the output"
    assert row["images"] * row["ms"] / 1000 == pytest.approx(tiny.batch_size, rel=0.5)  # a mean of two, of its inverse
    assert row["GFLOP/s"] == pytest.approx(row["images"] * row["MFLOP"] / 1000)
    by_layer = step_profile.arithmetic(architectures.build("fast_small", tiny.options, precision="float32"))
    assert row["MFLOP"] * 1e6 == by_layer[["forward", "inputs", "weights"]].sum().sum()
    assert 0 < row["zeros"] < by_layer["zeros"].max()
    assert row["from"] <= row["share"] <= row["to"]
    assert found.peaks.index.tolist() == [("float32", 16), ("float32", 32)]
    parts = found.parts["tiny"]
    assert parts["share"].sum() == pytest.approx(1)
    places = list(zip(parts["part"], parts["pass"], strict=True))
    names = list(dict.fromkeys(name for name, _ in places))
    assert [name.split(" (")[0] for name in names[:5]] == [f"convolution {i}" for i in range(1, 6)]
    assert {"pooling", "normalization", "warps", "images of the batch", "optimizer"} <= set(names)
    for name in names[:5]:
        ways = {way for part, way in places if part == name}
        assert ways == {"forward", "weights"} | ({"inputs"} if name != names[0] else set())
    assert names[-1] == step_profile.BETWEEN
    assert (parts["ms"].iloc[:-1] > 0).all()
    assert parts["GFLOP/s"].notna().sum() == 5 + 5 + 4


def test_a_stopwatch_counts_up_steps(tiny, monkeypatch):
    monkeypatch.setattr(limit, "_in_turns", lambda works, seconds: {name: [0.08, 0.04, 0.2] for name in works})
    twice = replace(tiny, epochs=2)  # 64 images in batches of 16 are 4 steps a pass
    table = limit.stopwatch({"once": tiny, "twice": twice, "muon": candidates.altered(tiny, "muon")})
    assert table.loc["muon"].equals(table.loc["once"]), "the same steps of the same length, under this clock"
    table = table.drop(index="muon")
    assert table["ms"].tolist() == [pytest.approx(20)] * 2, "the median of bursts of four steps"
    assert table["seconds"].tolist() == pytest.approx([4 * 0.02, 8 * 0.02])
    assert table["passes"].tolist() == [1, 2]
    counts = step_profile.arithmetic(architectures.build("fast_small", tiny.options, precision="float32"))
    assert table["TFLOP"].tolist() == pytest.approx([n * 64 * step_profile.flops(counts).sum() / 1e12 for n in (1, 2)])
    assert "thread" in table.attrs["machine"]


def test_strides_and_even_kernels_find_their_zeros():
    keras = architectures.keras
    inputs = keras.Input((7, 4, 1))
    for size, strides, within in ((3, 2, (10 / 12) * (5 / 6)), (2, 1, (13 / 14) * (7 / 8)), (1, 2, 1.0)):
        layer = keras.layers.Conv2D(1, size, strides=strides, padding="same")
        padded = keras.Model(inputs, layer(inputs))
        images, ones = np.ones((1, 7, 4, 1), np.float32), np.ones((size, size, 1, 1), np.float32)
        layer.set_weights([ones, np.zeros(1, np.float32)])
        found = np.mean(padded.predict(images, verbose=0)) / size**2  # of ones, a convolution counts what it meets
        assert 1 - step_profile.arithmetic(padded)["zeros"].iloc[0] == pytest.approx(found)
        assert found == pytest.approx(within)


def test_the_load_is_what_others_do_while_the_machine_is_held_alone(tiny, monkeypatch):
    @contextlib.contextmanager
    def alone():
        seen.append("alone")
        yield
        seen.append("not alone")

    seen = []
    monkeypatch.setattr(limit.pool, "alone", alone)
    monkeypatch.setattr(limit, "_load_of_others", lambda: seen.append("looked") or 0.25)
    monkeypatch.setattr(limit, "_in_turns", lambda works, seconds: seen.append("timed") or {n: [1.0] for n in works})
    assert limit.stopwatch({"tiny": tiny}).attrs["load"] == 0.25
    assert seen == ["alone", "looked", "timed", "not alone"]
    seen.clear()
    monkeypatch.setattr(limit, "_measure", lambda *given: given[-1])
    monkeypatch.setattr(limit.workers, "spread", lambda tasks, **_: (work(*args) for work, args, _ in tasks))
    assert limit.measure({"tiny": tiny}) == 0.25
    assert seen == ["alone", "looked", "not alone"]


def test_busy_cores_are_counted_by_the_systems_clocks(monkeypatch):
    Times = namedtuple("Times", "user system idle iowait guest")
    told = iter([Times(10.0, 2.0, 100.0, 3.0, 5.0), Times(12.5, 2.5, 104.0, 4.0, 7.0)])
    monkeypatch.setattr(limit.psutil, "cpu_times", lambda: next(told))
    now = [0.0]
    monkeypatch.setattr(limit.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(limit.time, "sleep", lambda seconds: now.__setitem__(0, 2.0))
    assert limit._load_of_others() == 1.5, "three seconds of work in two"


def test_no_training_is_refused():
    with pytest.raises(ValueError, match="specs"):
        limit.measure({})


def test_works_are_taken_in_turns_and_timed_each(monkeypatch):
    now, calls = [0.0], []

    def lasting(name, seconds):
        def work():
            calls.append(name)
            now[0] += seconds

        return work

    monkeypatch.setattr(limit.time, "perf_counter", lambda: now[0])
    taken = limit._in_turns({"a": lasting("a", 1.0), "b": lasting("b", 0.25)}, seconds=3.0)
    assert calls == ["a", "b"] * 4, "one round to warm up, and those that begin within the time"
    assert taken == {"a": [1.0] * 3, "b": [0.25] * 3}


def traced(events, *, others=()):
    """Write what the profiler would have seen: (name, begin, milliseconds), and on another thread `others`."""
    space = xplane_pb2.XSpace()
    plane = space.planes.add(name="/host:CPU")
    for stamp, seen in ((5, events), (2, others)):
        line = plane.lines.add(timestamp_ns=stamp)
        for name, begin, ms in seen:
            number = len(plane.event_metadata) + 1
            plane.event_metadata[number].name = name
            line.events.add(metadata_id=number, offset_ps=int(begin * 1e9), duration_ps=int(ms * 1e9))
    return space.SerializeToString()


def steps_of(*durations):
    """Return the events of three steps, of which one is interrupted: node -> milliseconds."""
    once = dict(durations)
    return [
        (name, number * 100 + place, ms + (50 if number == 1 else 0))
        for number in range(3)
        for place, (name, ms) in enumerate(once.items())
    ]


def test_every_operation_is_booked_on_its_part_and_pass(network):
    model = network.model.name
    # Names as TensorFlow gives them: the number in a layer's scope says nothing about its place.
    first, second = f"{model}_1/conv2d_7", f"{model}_1/conv2d_3_1"
    events = steps_of(
        (f"{LOOP}/GatherV2:GatherV2", 0.5),
        (f"{LOOP}/ImageProjectiveTransformV3:ImageProjectiveTransformV3", 1.0),
        (f"{LOOP}/{first}/convolution:_MklNativeConv2D", 2.0),
        (f"{LOOP}/{model}_1/max_pooling2d_1/MaxPool2d:MaxPool", 0.25),
        (f"{LOOP}/{second}/convolution/Cast:Cast", 0.125),
        (f"{LOOP}/{second}/convolution:Conv2D", 3.0),
        (f"{LOOP}/{model}_1/fused_batch_normalization_1/FusedBatchNormV3:FusedBatchNormV3", 0.75),
        (f"{LOOP}/{model}_1/logits_1/MatMul:MatMul", 0.0625),
        (f"{LOOP}/LogSoftmax:LogSoftmax", 0.0625),
        (f"while/body/_1/gradient_tape/while/{second}/convolution/Conv2DBackpropFilter:Conv2DBackpropFilter", 4.0),
        (f"while/body/_1/gradient_tape/while/{second}/convolution/Conv2DBackpropInput:Conv2DBackpropInput", 5.0),
        (f"while/body/_1/gradient_tape/while/{first}/convolution/Conv2DBackpropFilter:Conv2DBackpropFilter", 6.0),
        (f"while/body/_1/gradient_tape/while/{model}_1/re_lu_1/ReluGrad:ReluGrad", 0.375),
        (f"{LOOP}/{network.optimizer.name}/Mul_1:Mul", 0.5),
    )
    others = [("ExecutorState::Process", 0.0, 300.0), ("EagerLocalExecute: __inference_chunk_12", 0.0, 300.0)]
    table = step_profile.profile(traced(events, others=others), 100.0, steps=3, network=network, batch=10)
    one, two = step_profile.arithmetic(network.model).index[:2]
    assert list(table[["part", "pass", "ms"]].itertuples(index=False, name=None)) == [
        (one, "forward", 2.0),
        (one, "weights", 6.0),
        (two, "forward", 3.125),
        (two, "inputs", 5.0),
        (two, "weights", 4.0),
        ("pooling", "forward", 0.25),
        ("normalization", "forward", 0.75),
        ("ReLU", "inputs", 0.375),
        ("output, loss, rest", "forward", 0.125),
        ("warps", "outside", 1.0),
        ("images of the batch", "outside", 0.5),
        ("optimizer", "outside", 0.5),
        (step_profile.BETWEEN, "outside", 100 - 23.625),
    ]
    assert table["share"].tolist() == [ms / 100 for ms in table["ms"]]
    # 24 x 24 positions, 25 weights, 2 filters, 2 operations each, 10 images, in 2 ms.
    assert table["GFLOP/s"].iloc[0] == pytest.approx(24 * 24 * 25 * 2 * 2 * 10 / 0.002 / 1e9)
    assert table["GFLOP/s"].iloc[5:].isna().all()


def test_a_trace_without_steps_is_refused(network):
    with pytest.raises(ValueError, match="trace"):
        step_profile.profile(traced([("EagerExecute", 0.0, 1.0)]), 1.0, steps=1, network=network, batch=1)


def test_the_chart_stacks_the_passes_and_marks_the_peak():
    work = {"forward": [2e6], "inputs": [0.0], "weights": [2e6], "zeros": [0.1]}
    counts = pd.DataFrame(work, index=["convolution 1"])
    parts = pd.DataFrame(
        {
            "part": ["convolution 1", "convolution 1", "pooling"],
            "pass": ["forward", "weights", "forward"],
            "ms": [1.0, 3.0, 0.5],
            "share": [0.2, 0.6, 0.1],
            "GFLOP/s": [256.0, 85.3, np.nan],
        }
    )
    fig = step_profile.chart(parts, counts, batch=128, peak=512.0)
    bars = {trace.name: dict(zip(trace.y, trace.x, strict=True)) for trace in fig.data}
    assert bars["forward"] == {"convolution 1": 1.0, "pooling": 0.5}
    assert bars["gradient of weights"] == {"convolution 1": 3.0}
    assert bars["all of it at the peak"] == {"convolution 1": pytest.approx(4e6 * 128 / 512e9 * 1000)}
    assert fig.layout.barmode == "stack"
    assert [text.strip() for text in fig.layout.yaxis.ticktext] == ["convolution 1", "pooling"]
    assert list(fig.layout.yaxis.categoryarray) == ["pooling", "convolution 1"], "the first is on top"
    hover = {trace.name: trace for trace in fig.data}["forward"]
    assert list(hover.customdata) == ["1.00 ms, 20.0%", "0.50 ms, 10.0%"]
    assert list(hover.text) == [", 256 GFLOP/s", ""]
