"""Residual networks against counts made by hand, and training that begins from trained weights."""

from collections.abc import Callable

import nbformat
import numpy as np
import pytest
from test_fit import make_split

from helpers.evaluation import metrics
from helpers.experiments.residual_network import residual
from helpers.models import architectures, residual_blocks
from helpers.models.layers import FusedBatchNormalization
from helpers.runtime import paths
from helpers.runtime.device import keras
from helpers.training import fine_tuning, fit, specs


@pytest.fixture(scope="module")
def split():
    return make_split()


def small(split, **changes):
    base = {"options": {"widths": (4, 8), "blocks": (1, 1)}, "epochs": 1, "batch_size": 32, "learning_rate": 0.05}
    return fit.TrainSpec("resnet8", split, **{**base, "precision": "float32", **changes})


def conv(inputs, filters, size):
    return inputs * filters * size * size


def by_hand(stem, head):
    """Count the trainable weights of ResNet-34: convolutions without bias, two weights a map for normalization."""
    total = conv(1, 64, stem) + 2 * 64
    inputs = 64
    for count, width in ((3, 64), (4, 128), (6, 256), (3, 512)):
        for _ in range(count):
            total += conv(inputs, width, 3) + conv(width, width, 3) + 4 * width
            if inputs != width:
                total += conv(inputs, width, 1) + 2 * width
            inputs = width
    return total + head


def test_resnet34_has_the_published_number_of_weights():
    model = architectures.build("resnet34")
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    head = 2 * 1024 + (1024 * 512 + 512) + 2 * 512 + (512 * 10 + 10)  # fastai's: normalise, 512 units, normalise, 10
    assert trainable == by_hand(7, head)
    assert f"{trainable / 1e6:.1f}" == "21.8"
    weighted = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
    shortcuts = [layer for layer in weighted if getattr(layer, "kernel_size", None) == (1, 1)]
    assert len(weighted) - len(shortcuts) == 33 + 2, "33 convolutions, and two dense layers where the paper has one"
    assert len(shortcuts) == 3


def test_a_block_that_adds_nothing_passes_its_input_on():
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, residual_blocks.residual_block(inputs, 4, 1, lambda x: FusedBatchNormalization()(x)))
    last = [layer for layer in model.layers if hasattr(layer, "gamma")][-1]
    last.gamma.assign(np.zeros(4))
    x = np.random.default_rng(0).random((2, 6, 6, 4)).astype(np.float32)
    assert np.allclose(model(x), x, atol=1e-6)
    last.gamma.assign(np.ones(4))
    assert not np.allclose(model(x), x, atol=1e-2)


def test_fused_and_ordinary_normalization_compute_the_same():
    x = np.random.default_rng(1).random((8, 28, 28, 1)).astype(np.float32)
    fused, ordinary = (
        architectures.build("resnet8", {"fused": fused}, precision="float32", seed=3) for fused in (True, False)
    )
    ordinary.set_weights(fused.get_weights())
    for mode in (False,):
        assert np.allclose(fused(x, training=mode), ordinary(x, training=mode), atol=1e-3)
    body = [
        keras.Model(m.input, m.layers[[hasattr(one, "gamma") for one in m.layers].index(True)].output)
        for m in (fused, ordinary)
    ]
    assert np.allclose(body[0](x, training=True), body[1](x, training=True), atol=1e-3), "and in training"


def test_pixels_are_normalised_by_mnists_statistics():
    from helpers.data import load

    pixels = load.load_mnist().train.images / 255
    assert pixels.mean() == pytest.approx(residual_blocks.MEAN, abs=5e-5)
    assert pixels.std() == pytest.approx(residual_blocks.SD, abs=5e-5)


def test_a_spec_without_a_start_is_what_it_always_was(split):
    assert "start" not in specs.identity(small(split))


@pytest.fixture(scope="module")
def trained(split, tmp_path_factory):
    return fit.run(small(split, epochs=2), store=tmp_path_factory.mktemp("first"))


def change(before, after) -> list[float]:
    """Return how far each trainable variable has moved, relative to its size."""
    pairs = zip(before.trainable_variables, after.trainable_variables, strict=True)
    return [float(np.linalg.norm(a.numpy() - b.numpy()) / (np.linalg.norm(a.numpy()) + 1e-3)) for a, b in pairs]


def test_of_an_odd_number_of_layers_the_one_in_the_middle_is_of_the_first_half():
    """NF264's deep network: three convolutions, then the head of a hidden and an output layer, each with a bias."""
    model = architectures.build("nf264_deep", precision="float32")
    assert fine_tuning.groups(model) == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]


def test_the_head_is_trained_alone_and_then_all_with_its_own_rates(trained, split, tmp_path):
    path = trained.directory / "model.keras"
    before = trained.load()
    parts = fine_tuning.groups(before)
    assert sorted(set(parts)) == [0, 1, 2]
    assert parts == sorted(parts), "from the input to the output"
    moved = {}
    for name, rates in {"head": (0, 0, 1), "gentle": fine_tuning.GENTLE, "all": (1, 1, 1)}.items():
        start = fine_tuning.from_file(path, rates=rates)
        run = fit.run(small(split, start=start, learning_rate=0.01), store=tmp_path)
        each = change(before, run.load())
        moved[name] = [np.mean([c for c, part in zip(each, parts, strict=True) if part == p]) for p in range(3)]
    assert moved["head"][:2] == [0, 0], "frozen"
    assert moved["head"][2] > 0
    assert 0 < moved["gentle"][0] < moved["all"][0] / 10
    assert moved["gentle"][1] < moved["all"][1] / 2


def test_starting_from_trained_weights_is_a_run_of_its_own(trained, split, tmp_path):
    path = trained.directory / "model.keras"
    start = fine_tuning.from_file(path)
    keys = {specs.key(small(split)), specs.key(small(split, start=start))}
    keys.add(specs.key(small(split, start=fine_tuning.from_file(path, rates=(0, 0, 1)))))
    assert len(keys) == 3
    copy = tmp_path / "elsewhere.keras"
    copy.write_bytes(path.read_bytes())
    assert specs.key(small(split, start=fine_tuning.from_file(copy))) in keys, "the content counts, not the place"
    resting = fit.run(small(split, start=start, learning_rate=1e-9), store=tmp_path)
    assert max(change(trained.load(), resting.load())) < 1e-4, "it begins where the other ended"


def test_weights_that_do_not_fit_are_refused(trained, split, tmp_path):
    start = fine_tuning.from_file(trained.directory / "model.keras")
    with pytest.raises(ValueError, match="with 'sgd' it is allowed"):
        small(split, start=start, optimizer="adam")
    with pytest.raises(ValueError, match="layers with weights"):
        fit.run(small(split, start=start, options={"widths": (4, 8, 8)}), store=tmp_path)
    with pytest.raises(ValueError, match="needs"):
        fit.run(small(split, start=start, options={"widths": (6, 8), "blocks": (1, 1)}), store=tmp_path)
    with pytest.raises(ValueError, match=r"existing \.keras"):
        fine_tuning.from_file(tmp_path / "none.keras")
    with pytest.raises(ValueError, match="rates"):
        fine_tuning.Start(tmp_path, "0" * 64, (0, 0, 0))
    (tmp_path / "fake.keras").write_bytes(b"not a network")
    with pytest.raises(ValueError, match="keras"):
        fit.run(small(split, start=fine_tuning.from_file(tmp_path / "fake.keras")), store=tmp_path)


def test_a_head_for_other_classes_keeps_its_own_weights(trained):
    model = architectures.build("resnet8", {"widths": (4, 8), "blocks": (1, 1)}, precision="float32", seed=9)
    source = trained.load()
    kept = model.layers[-1].get_weights()
    wider = keras.Model(source.input, keras.layers.Dense(3)(source.layers[-2].output))
    copied = fine_tuning.load_into(model, wider)
    assert copied == len(model.weights) - 2
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.layers[-1].get_weights(), strict=True))
    assert np.array_equal(model.layers[2].get_weights()[0], source.layers[2].get_weights()[0])


def test_an_epoch_is_extrapolated_from_steps(split, monkeypatch):
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(residual.time, "perf_counter", lambda: next(clock))
    seconds = residual.seconds_per_epoch("linear", split, steps=6, batch_size=32)
    assert seconds == pytest.approx(3.0 / 6 * (len(split.x_train) // 32))


def function_of_the_notebook(name: str) -> Callable:
    """Return a function that report 09 defines, with what its first cell imports: no profile runs this one."""
    notebook = nbformat.read(paths.NOTEBOOKS / "09_residual_network.ipynb", 4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    names = {}
    exec(sources[0], names)
    (source,) = (source for source in sources if f"def {name}(" in source)
    exec(source.partition("\n\n\n")[0], names)
    return names[name]


def test_fine_tuning_trains_the_head_and_then_all(trained, split, tmp_path, monkeypatch):
    monkeypatch.setattr(fit.paths, "RUNS", tmp_path)
    base = small(split, learning_rate=0.001, epochs=2)
    fine_tune = function_of_the_notebook("fine_tune")
    head, tuned = fine_tune(base, str(trained.directory / "model.keras")).values()
    assert (head.spec.start.rates, head.spec.epochs) == ((0, 0, 1), 1)
    assert tuned.spec.start.path == head.directory / "model.keras"
    assert tuned.spec.start.rates == fine_tuning.GENTLE
    assert tuned.spec.epochs == 2


def test_what_networks_are_made_of_and_worth():
    made = residual.made_of({"ResNet-34": "resnet34", "line": "linear"})
    assert made.loc["ResNet-34", "convolutions"] == 36
    assert made.loc["line"].tolist() == [0, 7850, 2 * 7840]
    scores = {"line": metrics.wilson(9, 10), "ResNet-34, published": metrics.wilson(100, 100)}
    table = residual.worth(scores, made)
    assert table.loc["line", "error"] == pytest.approx(0.1)
    assert table.loc["line", "low"] < 0.1 < table.loc["line", "high"]
    assert table.loc["ResNet-34, published", "error"] == 0.005, "half an image, so that it has a logarithm"
    assert table.loc["ResNet-34, published", "weights"] == made.loc["ResNet-34", "weights"]
