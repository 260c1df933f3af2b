"""What is put into a training: nothing leaves it as it is, and everything else does what its formula says."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from helpers.data import splits
from helpers.experiments.smallest_and_fastest import candidates, distortions, ingredients
from helpers.models.augmentation import Warp
from helpers.runtime import sources
from helpers.runtime.device import keras
from helpers.training import fit, recipes, specs

FILTERS = {"filters": (4, 4, 4, 4, 8)}


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 260)
    images = np.clip(rng.integers(0, 256, (10, 28, 28))[labels] + rng.normal(0, 60, (260, 28, 28)), 0, 255)
    parts = (slice(0, 160), slice(160, 210), slice(210, 260))
    return splits.of_arrays("toy", *((images[part].astype(np.uint8), labels[part]) for part in parts))


def tiny(split, **changes):
    base = {"options": FILTERS, "epochs": 2, "batch_size": 32, "learning_rate": 0.05, "precision": "float32"}
    return recipes.fast("fast_small", split, **{**base, **changes})


@pytest.fixture(scope="module")
def plain(split, tmp_path_factory):
    return fit.run(tiny(split), store=tmp_path_factory.mktemp("plain"))


def test_with_nothing_put_in_a_training_is_that_of_fit(split, plain):
    left = candidates.train(tiny(split), "nothing")
    np.testing.assert_allclose(left.test_logits[5], plain.test_logits, atol=1e-4)
    np.testing.assert_allclose(left.val_logits[5], plain.val_logits, atol=1e-4)
    assert (left.parameters, left.flops) == (plain.parameters, plain.flops)
    once = fit.predict(plain, split.x_test)
    np.testing.assert_allclose(left.test_logits[1], once, atol=1e-4)
    assert not np.allclose(left.test_logits[1], left.test_logits[5], atol=1e-3)
    assert left.seconds > 0


def test_the_optimizer_and_decay_of_the_spec_are_kept(split, tmp_path):
    spec = tiny(split, epochs=1, optimizer="adamw", learning_rate=0.01, weight_decay=0.1, label_smoothing=0.3)
    left = candidates.train(spec, "nothing")
    np.testing.assert_allclose(left.test_logits[5], fit.run(spec, store=tmp_path).test_logits, atol=1e-4)


@pytest.mark.parametrize("name", ["averaged", "lookahead", "muon", "growing", "erased", "elastic", "mixed"])
def test_every_candidate_changes_the_training_and_says_what_it_is(split, plain, name):
    left = candidates.train(tiny(split), name)
    assert np.isfinite(left.test_logits[5]).all()
    assert left.test_logits[5].std(axis=0).max() > 1e-6, "it tells images apart"
    assert not np.allclose(left.test_logits[5], plain.test_logits, atol=1e-3)
    words = candidates.CANDIDATES[name].words
    assert words
    assert "\n" not in words
    assert words != candidates.CANDIDATES["nothing"].words


def test_what_cannot_be_trained_so_is_refused(split):
    with pytest.raises(ValueError, match="candidate: got 'magic'; allowed are nothing, averaged"):
        candidates.train(tiny(split), "magic")
    with pytest.raises(ValueError, match="plateau"):
        candidates.train(tiny(split, schedule="plateau"), "nothing")


# Optimizers, on two numbers whose gradients are given.

GRADIENTS = np.random.default_rng(4).normal(size=(12, 2)).astype(np.float32)
RATE = 0.1


def descended(made, variables) -> list[np.ndarray]:
    """Return the first variable after each step with the gradients above."""
    made.build(variables)
    seen = []
    for gradient in GRADIENTS:
        made.learning_rate.assign(RATE)
        made.apply([keras.ops.convert_to_tensor(gradient)] * len(variables), variables)
        seen.append(keras.ops.convert_to_numpy(variables[0]).copy())
    return seen


class Holder:
    """As much of a model as an optimizer is asked to follow."""

    def __init__(self):
        self.trainable_variables = [keras.Variable(np.array([1.0, -2.0], np.float32))]
        self.variables = self.trainable_variables


def test_averaged_weights_are_the_exponential_mean_of_all_steps():
    model, candidate = Holder(), ingredients.Averaged(decay=0.75)
    made = candidate.optimizer(keras.optimizers.SGD(RATE), model)
    seen = descended(made, model.trainable_variables)
    np.testing.assert_allclose(seen[-1], [1, -2] - RATE * GRADIENTS.sum(axis=0), rtol=1e-5)
    mean = np.mean(seen[:4], axis=0)  # 1 / (1 - 0.75) steps, all alike
    for weights in seen[4:]:
        mean = 0.75 * mean + 0.25 * weights
    candidate.finish(made, model)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model.variables[0]), mean, rtol=1e-5)


def test_statistics_are_averaged_with_the_weights(split):
    model = candidates.architectures.build("fast_small", FILTERS)
    around = ingredients.Averaged().optimizer(keras.optimizers.SGD(RATE), model)
    followed = {v.path for v in around.followed}
    assert followed == {v.path for v in model.variables}
    assert any("moving_variance" in path for path in followed)


def test_lookahead_goes_back_every_few_steps():
    model, candidate = Holder(), ingredients.Lookahead(every=3, share=0.25)
    seen = descended(candidate.optimizer(keras.optimizers.SGD(RATE), model), model.trainable_variables)
    slow = fast = np.array([1.0, -2.0])
    for i, gradient in enumerate(GRADIENTS, start=1):
        fast = fast - RATE * gradient
        if i % 3 == 0:
            slow = slow + 0.25 * (fast - slow)
            fast = slow
        np.testing.assert_allclose(seen[i - 1], fast, rtol=1e-4, atol=1e-6)


def test_muon_steps_are_orthogonal_for_kernels_and_plain_for_the_rest():
    rng = np.random.default_rng(2)
    kernel = keras.Variable(rng.normal(size=(3, 3, 2, 4)).astype(np.float32))
    bias = keras.Variable(np.zeros(4, np.float32))
    before = keras.ops.convert_to_numpy(kernel).copy()
    made = ingredients.Muon(ratio=0.5, momentum=0.6).optimizer(
        keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), None
    )
    made.build([kernel, bias])
    first, second = rng.normal(size=(2, 3, 3, 2, 4)).astype(np.float32)
    for gradient in (first, second):
        made.learning_rate.assign(RATE)
        made.apply([keras.ops.convert_to_tensor(gradient), keras.ops.ones(4)], [kernel, bias])
    # Newton and Schulz's five steps, as published: x <- a x + (b A + c A^2) x with A = x x^T.
    expected = before.reshape(18, 4).astype(np.float64)
    for ahead in (first + 0.6 * first, second + 0.6 * (0.6 * first + second)):
        x = ahead.reshape(18, 4).astype(np.float64).T
        x = x / np.linalg.norm(x)
        for _ in range(5):
            square = x @ x.T
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        assert np.linalg.svd(x, compute_uv=False) == pytest.approx(np.ones(4), abs=0.35)
        expected -= RATE * 0.5 * x.T
    np.testing.assert_allclose(keras.ops.convert_to_numpy(kernel).reshape(18, 4), expected, rtol=1e-3, atol=1e-4)
    # Nesterov by hand: m = -0.1, then 0.9 m - 0.1; weights move by 0.9 m - 0.1.
    np.testing.assert_allclose(keras.ops.convert_to_numpy(bias), -0.19 - (0.1 + 0.9 * 0.19), rtol=1e-5)


# Sizes and targets.


def test_growing_begins_small_and_ends_large(split, monkeypatch):
    sides = []
    real = candidates._compile
    monkeypatch.setattr(candidates, "_compile", lambda *given: sides.append(given[2]) or real(*given))
    left = candidates.train(tiny(split, epochs=2), "growing")
    assert sides == [20, 28]
    assert left.flops == candidates.train(tiny(split, epochs=1), "nothing").flops
    assert [ingredients.Growing(until=0.5).side(done, 28) for done in (0.25, 0.5, 0.75, 1.0)] == [20, 20, 28, 28]


def test_shrunk_images_are_means_and_the_warps_are_those_of_the_spec(split):
    warp = Warp()
    shrunk = ingredients.Shrunk(None, 14)
    images = np.random.default_rng(3).uniform(0, 1, (5, 28, 28, 1)).astype(np.float32)
    small = np.asarray(shrunk.apply(images, None))
    assert small.shape == (5, 14, 14, 1)
    # A smooth image is the same where it is looked at more coarsely.
    ramp = np.broadcast_to(np.arange(28, dtype=np.float32)[:, None, None], (1, 28, 28, 1))
    np.testing.assert_allclose(np.asarray(shrunk.apply(ramp, None))[0, 2:-2, 5, 0], np.arange(4.5, 24, 2), rtol=1e-5)
    # And no pixel is skipped: a single one keeps its ink, a sixteenth of which goes into each mean of 4 x 4.
    dot = np.zeros((1, 28, 28, 1), np.float32)
    dot[0, 12, 15] = 1
    assert np.asarray(ingredients.Shrunk(None, 7).apply(dot, None)).sum() == pytest.approx(1 / 16, rel=1e-3)
    drawn = [one.draw(4, size=(28, 28), rng=np.random.default_rng(1)) for one in (warp, ingredients.Shrunk(warp, 14))]
    np.testing.assert_array_equal(*drawn)


def test_distilled_loss_mixes_labels_and_teachers():
    candidate = ingredients.Distilled(share=0.25, temperature=2.0)
    rng = np.random.default_rng(5)
    logits, taught = rng.normal(size=(6, 10)).astype(np.float32), rng.dirichlet(np.ones(10), 6).astype(np.float32)
    labels = rng.integers(0, 10, 6).astype(np.int32)

    def log_softmax(x):
        return x - np.log(np.exp(x).sum(axis=1, keepdims=True))

    hard = -log_softmax(logits)[np.arange(6), labels].mean()
    soft = -(taught * log_softmax(logits / 2)).sum(axis=1).mean()
    made = candidate.loss(candidates.step.make_loss("cross_entropy", 0.0))
    assert float(made(labels, np.concatenate([logits, taught], 1))) == pytest.approx(
        0.75 * hard + 4 * 0.25 * soft, rel=1e-5
    )


def test_teachers_come_from_the_next_seeds_without_smoothing_and_see_the_same_images(split, tmp_path, monkeypatch):
    asked = []
    real = fit.run
    monkeypatch.setattr(fit, "run", lambda spec, **how: asked.append(spec) or real(spec, **how))
    spec = tiny(split, epochs=1, seed=4)
    left = candidates.train(spec, "distilled", store=tmp_path)
    assert [(one.seed, one.label_smoothing) for one in asked] == [(5, 0.0), (6, 0.0), (7, 0.0)]
    assert np.isfinite(left.test_logits[5]).all()
    assert left.test_logits[5].shape == (50, 10)
    model = candidates.architectures.build(spec.model, FILTERS, seed=4, precision="float32")
    both = ingredients.Distilled(teachers=2).network(model, spec, tmp_path)
    images = split.x_val[:3, ..., None].astype(np.float32) / 255
    given = np.asarray(both(images, training=False))
    teachers = [real(one, store=tmp_path).load()(images, training=False) for one in asked[:2]]
    odds = [np.exp(np.asarray(one) / 2) for one in teachers]
    np.testing.assert_allclose(given[:, 10:], sum(o / o.sum(axis=1, keepdims=True) for o in odds) / 2, atol=1e-5)
    np.testing.assert_allclose(given[:, :10], np.asarray(model(images, training=False)), atol=1e-5)


# Distortions.


@pytest.mark.parametrize("candidate", [distortions.Erased(), distortions.Elastic(), distortions.Mixed()])
def test_distortions_leave_the_warps_as_they_are_drawn(candidate):
    seen = candidate.images(Warp())
    rows = seen.draw(7, size=(28, 28), rng=np.random.default_rng(6))
    assert rows.shape == (7, seen.width)
    np.testing.assert_array_equal(rows[:, :8], Warp().draw(7, size=(28, 28), rng=np.random.default_rng(6)))
    again = candidate.images(None).draw(7, size=(28, 28), rng=np.random.default_rng(6))
    np.testing.assert_allclose(again[:, :8], np.tile([1, 0, 0, 0, 1, 0, 0, 0], (7, 1)), atol=1e-5)


def test_erased_are_the_pixels_of_the_rectangle():
    seen, images = distortions.Erased().images(None), np.ones((2, 28, 28, 1), np.float32)
    rows = np.zeros((2, 12), np.float32)
    rows[:, [0, 4]] = 1
    rows[1, 8:] = (3, 10, 7, 16)  # top, left, bottom, right
    read = np.asarray(seen.apply(images, rows))[..., 0]
    assert (read[0] == 1).all()
    expected = np.ones((28, 28))
    expected[3:7, 10:16] = 0
    np.testing.assert_array_equal(read[1], expected)
    drawn = seen.draw(4000, size=(28, 28), rng=np.random.default_rng(0))[:, 8:]
    sides = drawn[:, 2:] - drawn[:, :2]
    torn = sides.max(axis=1) > 0
    assert torn.mean() == pytest.approx(0.5, abs=0.03)
    assert 2.99 < sides[torn].min() < sides[torn].max() < 9.01
    assert -0.01 < drawn.min() < drawn.max() < 28.01


def test_bending_by_nothing_is_the_warp_alone():
    candidate, images = distortions.Elastic(), np.random.default_rng(8).uniform(0, 1, (6, 28, 28, 1)).astype(np.float32)
    warps = Warp(rotation=30.0, shift=9.0).draw(6, size=(28, 28), rng=np.random.default_rng(9))
    rows = np.concatenate([warps, np.zeros((6, candidate.more), np.float32)], axis=1)
    np.testing.assert_allclose(candidate.apply(Warp(), images, rows), Warp().apply(images, warps), atol=1e-4)


def test_bending_reads_each_pixel_from_where_the_knots_say():
    candidate, rng = distortions.Elastic(amount=2.0, knots=5), np.random.default_rng(10)
    image = rng.uniform(0, 1, (28, 28)).astype(np.float32)
    seen = candidate.images(None)
    rows = seen.draw(1, size=(28, 28), rng=rng)
    knots = rows[0, 8:].reshape(2, 5, 5)  # along, down
    place = np.arange(28) * 4 / 27
    below = np.minimum(place.astype(int), 3)
    part = (1 - np.cos(np.pi * (place - below))) / 2

    def between(grid):  # along one axis after the other
        lines = grid[below] * (1 - part)[:, None] + grid[below + 1] * part[:, None]
        return lines[:, below] * (1 - part) + lines[:, below + 1] * part

    down, along = np.mgrid[:28, :28].astype(float)
    where = [down + between(knots[1]), along + between(knots[0])]
    expected = ndimage.map_coordinates(np.pad(image, 9), [one + 9 for one in where], order=1)
    np.testing.assert_allclose(np.asarray(seen.apply(image[None, ..., None], rows))[0, ..., 0], expected, atol=1e-4)


def test_mixed_images_have_both_labels():
    candidate, rng = distortions.Mixed(), np.random.default_rng(11)
    images, labels = rng.uniform(0, 1, (4, 28, 28, 1)).astype(np.float32), np.array([3, 1, 4, 1], np.int32)
    seen = candidate.images(None)
    rows = seen.draw(4, size=(28, 28), rng=rng)
    rows[0, 8] = 0.75
    read = np.asarray(seen.apply(images, rows))
    np.testing.assert_allclose(read[..., 0], (0.75 * images + 0.25 * images[::-1])[..., 0], atol=1e-5)
    model = candidates.architectures.build("linear", precision="float32")
    given = np.asarray(candidate.network(model, None, None)(read, training=True))
    logits = np.asarray(model(read[..., :1]))
    np.testing.assert_allclose(given, np.concatenate([logits, np.full((4, 1), 0.75)], axis=1), atol=1e-5)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    both = 0.75 * np.log(chances[range(4), labels]) + 0.25 * np.log(chances[range(4), labels[::-1]])
    mixed = candidate.loss(candidates.step.make_loss("cross_entropy", 0.0))
    assert float(mixed(labels, given.astype(np.float32))) == pytest.approx(-both.mean(), rel=1e-4)


# What a candidate's record is kept under.


def test_a_candidate_beside_it_makes_no_training_old(split, tmp_path, monkeypatch):
    package = tmp_path / "helpers"
    for path in sources.PACKAGE.rglob("*.py"):
        copy = package / path.relative_to(sources.PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(sources, "PACKAGE", package)
    spec = tiny(split)

    def now():
        candidates._source.cache_clear()
        return {name: candidates.altered(spec, name).source for name in ("nothing", "muon", "averaged", "elastic")}

    def edit(name, old, new):
        path: Path = package / "experiments" / "smallest_and_fastest" / f"{name}.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    before = now()
    assert len(set(before.values())) == 4
    edit("candidates", '    "nothing": Candidate(),\n', '    "nothing": Candidate(),\n    "nil": Candidate(),\n')
    (package / "training" / "many_seeds.py").write_text("Altered = None\n", encoding="utf-8")
    (package / "models" / "architectures.py").open("a", encoding="utf-8").write("\n\ndef another(x):\n    return x\n")
    assert now() == before
    edit("ingredients", "self.beta * momentum.value + gradient", "self.beta * momentum.value - gradient")
    assert {name for name, source in now().items() if source != before[name]} == {"muon"}
    edit("distortions", "np.pi", "3")
    assert {name for name, source in now().items() if source != before[name]} == {"muon", "elastic"}
    edit("candidates", "chosen.finish(", "chosen.ended(")
    assert all(source != before[name] for name, source in now().items())


def test_settings_and_name_are_told_to_the_record(split):
    told = candidates.altered(tiny(split), "lookahead")
    assert (told.name, told.settings) == ("lookahead", {"every": 5, "share": 0.5})
    assert told.train is candidates.train
    assert told.source != specs._source("fast_small")
