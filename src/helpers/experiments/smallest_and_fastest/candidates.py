"""What might improve the final recipe and no TrainSpec can say: each put into a training alone, for paired comparison.

A training with a candidate sees the rows, the warps and the initial weights that `fit.run` gives the same spec and
seed, so what differs between the two is the candidate's doing.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from helpers.experiments.smallest_and_fastest import distortions, ingredients
from helpers.experiments.smallest_and_fastest.ingredients import Candidate, Shrunk
from helpers.models import architectures, schedules
from helpers.runtime import device, progress, sources
from helpers.runtime import precision as precisions
from helpers.training import fit, outcomes, step
from helpers.training.many_seeds import Altered
from helpers.training.specs import TrainSpec

VIEWS = (1, 5)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training with a candidate left.

    seconds: wall time of the steps, the first of them with tracing. val_logits, test_logits: views -> float32 (n, 10).
    """

    spec: TrainSpec
    candidate: str
    seconds: float
    parameters: int
    flops: int
    hardware: dict
    val_logits: Mapping[int, np.ndarray]
    test_logits: Mapping[int, np.ndarray]


CANDIDATES: Mapping[str, Candidate] = {
    "nothing": Candidate(),
    "averaged": ingredients.Averaged(),
    "lookahead": ingredients.Lookahead(),
    "muon": ingredients.Muon(),
    "muon slow": ingredients.Muon(ratio=0.03),
    "muon fast": ingredients.Muon(ratio=0.3),
    "muon faster": ingredients.Muon(ratio=0.6),
    "growing": ingredients.Growing(),
    "distilled": ingredients.Distilled(),
    "erased": distortions.Erased(),
    "elastic": distortions.Elastic(),
    "mixed": distortions.Mixed(),
}


def _compile(spec: TrainSpec, chosen: Candidate, side: int, store: Path | None) -> step.Compiled:
    """Return a network for images of `side` and what trains it, as `step` makes them but for the candidate."""
    shape = (side, side)
    precision = precisions.choose(spec.precision)
    model = architectures.build(spec.model, spec.options, seed=spec.seed, precision=precision, shape=shape)
    settings = ("learning_rate", "momentum", "nesterov", "weight_decay")
    optimizer = step.make_optimizer(spec.optimizer, **{name: getattr(spec, name) for name in settings})
    optimizer = chosen.optimizer(optimizer, model)
    optimizer.build(model.trainable_variables)
    loss = chosen.loss(step.make_loss(spec.loss, spec.label_smoothing))
    steps = step.make_steps(
        chosen.network(model, spec, store),
        optimizer,
        loss,
        shape=spec.split.shape,
        weight_decay=0.0 if spec.optimizer == "adamw" else spec.weight_decay,
        decay=spec.decay,
        augmentation=_images(spec, chosen, side),
    )
    return step.Compiled(model, optimizer, loss, steps, outcomes.make_predictor(model), ())


def _images(spec: TrainSpec, chosen: Candidate, side: int):
    seen = chosen.images(spec.augmentation)
    return seen if side == spec.split.shape[0] else Shrunk(seen, side)


def train(spec: TrainSpec, candidate: str, *, store: Path | None = None) -> Trained:
    """Train `spec` with one of CANDIDATES put in; what it leaves is kept by whoever asked.

    store: of teachers, as in `fit.run`. Raises ValueError for an unknown candidate, or a spec that goes by what
    validation shows, begins from other weights or has images that are not square; Diverged as `fit.run` does.
    """
    if candidate not in CANDIDATES:
        raise ValueError(f"candidate: got {candidate!r}; allowed are {', '.join(CANDIDATES)}")
    full, width = spec.split.shape
    if spec.schedule == "plateau" or spec.start is not None or full != width:
        raise ValueError("spec: got a plateau, a start or images that are not square; none of these is allowed")
    chosen = CANDIDATES[candidate]
    sides = [chosen.side((epoch + 1) / spec.epochs, full) for epoch in range(spec.epochs)] or [full]
    network, side = _compile(spec, chosen, sides[0], store), sides[0]
    steps = partial(network.steps, step.load(spec.split.x_train, spec.split.y_train))
    peak, options = spec.learning_rate, spec.schedule_options
    rates = schedules.rates(spec.schedule, spec.epochs * spec.steps, peak=peak, options=options)
    clock = time.perf_counter()
    for epoch in range(spec.epochs):
        if sides[epoch] != side:
            side = sides[epoch]
            network, steps = _moved(network, spec, chosen, side, store)
        step.seed_dropout(network.model, spec.seed, epoch)
        seen = replace(spec, augmentation=_images(spec, chosen, side))
        fit._epoch(seen, None, steps, epoch, rates[epoch * spec.steps : (epoch + 1) * spec.steps], False)
        progress.say(f"{spec.model} with {candidate}, seed {spec.seed} · epoch {epoch + 1}/{spec.epochs}")
    chosen.finish(network.optimizer, network.model)
    seconds = time.perf_counter() - clock
    size = architectures.size(network.model)
    val, test = (
        {views: outcomes.viewed(network.predictor, images, views) for views in VIEWS}
        for images in (spec.split.x_val, spec.split.x_test)
    )
    hardware = {**device.hardware(), "precision": precisions.choose(spec.precision)}
    return Trained(spec, candidate, seconds, size.parameters, size.flops, hardware, val, test)


def _moved(old: step.Compiled, spec: TrainSpec, chosen: Candidate, side: int, store: Path | None) -> tuple:
    """Return a network for images of another size, in the state of the old one, and its steps on the spec's images."""
    network = _compile(spec, chosen, side, store)
    for variable, before in zip(network.variables, old.variables, strict=True):
        variable.assign(before.value)
    return network, partial(network.steps, step.load(spec.split.x_train, spec.split.y_train))


def compiled(training: Altered) -> step.Compiled:
    """Return the network of an altered training and what trains it on whole images, for steps to be timed."""
    return _compile(training.spec, CANDIDATES[training.name], training.spec.split.shape[0], None)


def altered(spec: TrainSpec, candidate: str) -> Altered:
    """Return the training of `spec` with one of CANDIDATES put in, for a record of many seeds."""
    chosen = CANDIDATES[candidate]
    return Altered(spec, candidate, asdict(chosen), _source(spec.model, type(chosen)), train)


@cache
def _source(model: str, kind: type[Candidate]) -> str:
    """Return a digest of what trains such a network with such a candidate: not of others beside either."""
    parts = {
        __name__: ({"train"}, {"CANDIDATES"}),
        ingredients.__name__: ({"Candidate", "Shrunk"}, set()),
        "helpers.models.architectures": ({"build", model}, {"ARCHITECTURES"}),
    }
    mine, _ = parts.setdefault(kind.__module__, (set(), set()))
    mine.add(kind.__name__)
    told = [sources.Part(module, frozenset(names), frozenset(stop)) for module, (names, stop) in parts.items()]
    return sources.digest_of((__name__, kind.__module__), part=told)
