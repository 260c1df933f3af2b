"""How near a training comes to what the processor can do: its arithmetic, its rate, and where a step's time goes.

The measure is a product of large square matrices, the work that processors do best: measured on the same thread, in the
same number format, in turns with the training, so that whatever else the machine does slows both.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
import psutil

from helpers.experiments.smallest_and_fastest import candidates, step_profile
from helpers.runtime import device, pool, precision
from helpers.training import conditions, many_seeds, step, workers
from helpers.training.many_seeds import Altered, Training
from helpers.training.specs import TrainSpec

SIDES = (512, 1024, 2048)  # of the matrices; products of small ones are repeated until they are as much work as 1024's
BURST = 4  # steps at a time: about as long as the products in turn with which they are taken
LEAST = 2  # rounds, however short the time and one more to warm up
PROFILED = 12  # steps under the profiler
QUIET = 1.0  # seconds without work of ours in which it is looked at what others do
RATE = 0.01  # learning rate: what is learned is thrown away, and no step may blow up


@dataclass(frozen=True, eq=False)
class Measured:
    """What `measure` found, in tables.

    rates: a row per training; weights, format, MFLOP (an image), zeros (the share of it that `arithmetic` names), and
    medians of the rounds: ms (a step), images (a second), GFLOP/s, peak (of the products in its format) and share of
    it, with from and to, between which the middle 80% of the shares lie. peaks: median GFLOP/s, a row per format and
    side. parts: training -> table of `step_profile.profile`. load: cores that others kept busy, before.
    """

    rates: pd.DataFrame
    peaks: pd.DataFrame
    parts: dict[str, pd.DataFrame]
    rounds: int
    load: float


def measure(specs: Mapping[str, TrainSpec], *, seconds: float = 8.0, sides: tuple[int, ...] = SIDES) -> Measured:
    """Time steps of trainings and products of matrices in turns on one thread, for so many seconds; then profile each.

    Tracing the steps comes before that and takes a second or two for each. What is trained is thrown away. Raises
    ValueError for no training.
    """
    if not specs:
        raise ValueError("specs: got none; at least one training is needed")
    with pool.alone():
        task = joblib.delayed(_measure)(dict(specs), seconds, sides, _load_of_others())
        (found,) = workers.spread(iter([task]), processes=1, threads=1)
    return found


def stopwatch(trainings: Mapping[str, Training], *, seconds: float = 12.0) -> pd.DataFrame:
    """Return how long whole trainings take with the threads of this process: steps of each, in turns, counted up.

    One row per training: passes, TFLOP (of all its steps), ms (a step, median of the rounds), seconds (of all steps,
    without compiling and without looking at held-out images). attrs: machine, in words, load, as in `Measured`, and
    the rounds. What is trained is thrown away.
    """
    with ExitStack() as stack:
        networks = {
            name: candidates.compiled(one) if isinstance(one, Altered) else stack.enter_context(step.borrowed(one))
            for name, one in trainings.items()
        }
        specs = {name: many_seeds.spec_of(one) for name, one in trainings.items()}
        bursts = {name: _burst(spec, networks[name], BURST) for name, spec in specs.items()}
        with pool.alone():
            load, rounds = _load_of_others(), _in_turns(bursts, seconds)
        rows = {}
        for name, spec in specs.items():
            ms, steps = 1000 * float(np.median(rounds[name])) / BURST, spec.epochs * spec.steps
            flops = step_profile.flops(step_profile.arithmetic(networks[name].model)).sum() * spec.batch * steps
            passes = conditions.of(spec).passes
            rows[name] = {"passes": passes, "TFLOP": flops / 1e12, "ms": ms, "seconds": steps * ms / 1000}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("training")
    threads = device.threads()
    words = f"{threads} thread{'s' if threads > 1 else ''} of {processor()}"
    table.attrs = {"machine": words, "load": load, "rounds": min(map(len, rounds.values()))}
    return table


def processor() -> str:
    """Return the processor in words: its name, and its family and model, which tell more where a name is short."""
    info = precision.cpuinfo()
    name = info.get("model name", "this processor")
    return f"{name} (family {info.get('cpu family')}, model {info['model']})" if "model" in info else name


def _load_of_others() -> float:
    """Return how many cores are busy while this process and what a build does beside it stand still.

    The system's own average over a minute would tell of the trainings that the build has just made.
    """
    before, began = psutil.cpu_times(), time.perf_counter()
    time.sleep(QUIET)
    after, seconds = psutil.cpu_times(), time.perf_counter() - began
    idle, counted_twice = ("idle", "iowait"), ("guest", "guest_nice")
    spent = {name: getattr(after, name) - getattr(before, name) for name in after._fields}
    return max(0.0, sum(each for name, each in spent.items() if name not in (*idle, *counted_twice)) / seconds)


def _measure(specs: dict[str, TrainSpec], seconds: float, sides: tuple[int, ...], load: float) -> Measured:
    with workers.pinned(1), ExitStack() as stack:
        networks = {name: stack.enter_context(step.borrowed(spec)) for name, spec in specs.items()}
        bursts = {name: _burst(spec, networks[name], BURST) for name, spec in specs.items()}
        formats = {name: precision.choose(spec.precision).removeprefix("mixed_") for name, spec in specs.items()}
        repeats = {side: max(1, (sorted(sides)[len(sides) // 2] // side) ** 3) for side in sides}
        products = {
            (one, side): _product(one, side, n)
            for one in dict.fromkeys(formats.values())
            for side, n in repeats.items()
        }
        works = {**bursts, **products}
        rounds = pd.DataFrame(_in_turns(works, seconds))
        done = {place: 2 * repeats[place[1]] * place[1] ** 3 / 1e9 / rounds[place] for place in products}
        peaks = pd.DataFrame({"GFLOP/s": {place: float(rate.median()) for place, rate in done.items()}})
        peaks.index = peaks.index.set_names(["format", "side"])
        rows, parts = {}, {}
        for name, spec in specs.items():
            model, counts = networks[name].model, step_profile.arithmetic(networks[name].model)
            images, flops = BURST * spec.batch / rounds[name], step_profile.flops(counts).sum()
            peak = done[formats[name], int(peaks.loc[formats[name], "GFLOP/s"].idxmax())]
            low, share, high = np.quantile(images * flops / 1e9 / peak, [0.1, 0.5, 0.9])
            rows[name] = {
                "weights": model.count_params(),
                "format": formats[name],
                "MFLOP": flops / 1e6,
                "zeros": float((step_profile.flops(counts) * counts["zeros"]).sum() / flops),
                "ms": 1000 * float(rounds[name].median()) / BURST,
                "images": float(images.median()),
                "GFLOP/s": float(images.median()) * flops / 1e9,
                "peak": float(peak.median()),
                "share": float(share),
                "from": float(low),
                "to": float(high),
            }
            trace, spent = step_profile.traced(_burst(spec, networks[name], PROFILED))
            ms = 1000 * spent / PROFILED
            parts[name] = step_profile.profile(trace, ms, steps=PROFILED, network=networks[name], batch=spec.batch)
    rates = pd.DataFrame.from_dict(rows, orient="index").rename_axis("training")
    return Measured(rates, peaks, parts, len(rounds), load)


def _burst(spec: TrainSpec, network: step.Compiled, n: int) -> Callable:
    """Return what takes `n` steps of a training."""
    rng = np.random.default_rng(spec.seed)
    rows = rng.integers(len(spec.split.y_train), size=(n, spec.batch), dtype=np.int32)
    warps = np.zeros((rows.size, 8), np.float32)
    if spec.augmentation is not None:
        warps = spec.augmentation.draw(rows.size, size=spec.split.shape, rng=rng)
    data = step.load(spec.split.x_train, spec.split.y_train)
    return lambda: network.steps(data, rows, warps.reshape(*rows.shape, -1), np.full(n, RATE, np.float32))


def _product(number_format: str, side: int, n: int) -> Callable:
    """Return what multiplies matrices of this side `n` times."""
    import tensorflow as tf

    a, b = (tf.cast(tf.random.stateless_normal((side, side), (0, i)), number_format) for i in range(2))

    def multiply():
        for _ in range(n):
            product = tf.linalg.matmul(a, b)
        product[0, 0].numpy()

    return multiply


def _in_turns(works: Mapping[object, Callable], seconds: float) -> dict[object, list[float]]:
    """Call all works in turns for so many seconds, after one round to warm up; return the seconds of every call."""
    for work in works.values():
        work()
    taken, end = {name: [] for name in works}, time.perf_counter() + seconds
    while len(min(taken.values(), key=len)) < LEAST or time.perf_counter() < end:
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - begin)
    return taken
