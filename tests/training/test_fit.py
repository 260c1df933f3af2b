"""The engine: what a spec decides, resuming to the bit, a store that trusts nothing, clear errors."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from helpers.data import splits
from helpers.data.splits import Split
from helpers.models import architectures, handwriting
from helpers.models.augmentation import Warp
from helpers.runtime import files, run_store
from helpers.training import fit, recipes, step

# A split made without files, so that a subprocess can make the very same one.
MAKE_SPLIT = """
import numpy as np
from helpers.data import splits

def make_split(n=320, seed=0):
    rng = np.random.default_rng(seed)
    prototypes = rng.integers(0, 256, (10, 28, 28))
    labels = rng.integers(0, 10, n + 100)
    noise = rng.normal(0, 60, (n + 100, 28, 28))
    images = np.clip(prototypes[labels] + noise, 0, 255).astype(np.uint8)
    a, b, c = slice(0, n), slice(n, n + 50), slice(n + 50, None)
    return splits.of_arrays("toy", *((images[part], labels[part]) for part in (a, b, c)))
"""
namespace: dict = {}
exec(MAKE_SPLIT, namespace)
make_split = namespace["make_split"]

# Dropout, warps, momentum, a moving schedule and batch statistics: everything that carries state.
RESTLESS = {
    "epochs": 4,
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": 0.003,
    "schedule": "one_cycle",
    "weight_decay": 1e-4,
    "augmentation": Warp(),
    "precision": "float32",
    "seed": 7,
}
forks = pytest.mark.skipif(sys.platform != "linux", reason="forks as Linux does")
MODEL = "recog"
OPTIONS = {"batch_norm": True, "dropout": 0.3}


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split()


def restless(split, **changes):
    return fit.TrainSpec(MODEL, split, **{**RESTLESS, "options": OPTIONS, **changes})


def small(split, **changes):
    base = {"model": "linear", "epochs": 2, "batch_size": 32, "learning_rate": 0.05, "precision": "float32"}
    return fit.TrainSpec(split=split, **{**base, **changes})


def weights(run):
    return run.load().get_weights()


def assert_same_run(a, b):
    assert all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))
    assert np.array_equal(a.val_logits, b.val_logits)
    assert np.array_equal(a.test_logits, b.test_logits)
    assert np.array_equal(a.step_losses, b.step_losses)
    columns = [name for name in a.history if name != "seconds"]
    assert a.history[columns].equals(b.history[columns])


@pytest.fixture(scope="module")
def undisturbed(split, tmp_path_factory):
    return fit.run(restless(split), store=tmp_path_factory.mktemp("undisturbed"))


def test_a_run_learns_and_says_what_it_did(undisturbed, split):
    run = undisturbed
    assert run.history["epoch"].tolist() == [1, 2, 3, 4]
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    assert run.history["accuracy"].iloc[-1] > 2 * run.history["accuracy"].iloc[0]
    assert run.val_logits.shape == run.test_logits.shape == (50, 10)
    assert len(run.step_losses) == 4 * 10
    assert not run.reused
    assert re.fullmatch(r"trained here in \d+ s on \d+ threads?", run.provenance)
    assert run.seconds == pytest.approx(run.history["seconds"].sum())
    assert run.images_per_second == pytest.approx(4 * 320 / run.seconds)


def test_stored_predictions_are_those_of_the_stored_network(undisturbed, split):
    # Another predictor, made of the file: its products may be cut into other pieces.
    found = fit.predict(undisturbed, split.x_test)
    np.testing.assert_allclose(found, undisturbed.test_logits, rtol=1e-5, atol=1e-5)


def test_the_same_spec_gives_the_same_bits_and_another_seed_others(undisturbed, split, tmp_path):
    assert_same_run(undisturbed, fit.run(restless(split), store=tmp_path))
    other = fit.run(restless(split, seed=8), store=tmp_path)
    assert not np.array_equal(undisturbed.test_logits, other.test_logits)


def test_a_network_that_was_trained_before_gives_the_bits_of_a_new_one(split, tmp_path, monkeypatch):
    """Other seeds, rates, strengths of warps and images, and a training that failed, leave no trace in it."""
    before = restless(make_split(200, 5), seed=8, learning_rate=0.1, augmentation=Warp(rotation=40.0), epochs=2)
    step._idle.clear()
    alone = fit.run(restless(split, epochs=2), store=tmp_path / "alone")
    made = []
    monkeypatch.setattr(step, "_compile", lambda spec, make=step._compile: made.append(spec) or make(spec))
    step._idle.clear()
    fit.run(before, store=tmp_path / "shared")
    again = fit.run(restless(split, epochs=2), store=tmp_path / "shared")
    assert made == [before], "one network for both"
    assert_same_run(again, alone)

    with monkeypatch.context() as broken:
        broken.setattr(fit, "_validate", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fit.run(restless(split, seed=9), store=tmp_path / "shared")
    assert not step._idle, "what failed half-way is not used again"


def test_what_is_built_in_is_not_shared(split):
    """Everything but seeds, data, rates and lengths is part of the graph of a step."""
    base = restless(split)
    shared = {"seed": 3, "epochs": 9, "batch_size": 8, "learning_rate": 0.5, "schedule": "constant", "views": 5}
    assert {step._recipe(restless(split, **{name: value})) for name, value in shared.items()} == {step._recipe(base)}
    apart = [
        {"optimizer": "sgd"},
        {"momentum": 0.5},
        {"nesterov": True},
        {"weight_decay": 0.0},
        {"decay": "all"},
        {"loss": "mse"},
        {"label_smoothing": 0.1},
        {"augmentation": None},
        {"augmentation": handwriting.Hand()},
        {"options": {"batch_norm": True, "dropout": 0.4}},
        {"precision": "mixed_bfloat16"},
    ]
    names = [step._recipe(base), *(step._recipe(restless(split, **change)) for change in apart)]
    names.append(step._recipe(replace(base, model="new", options={})))
    assert len(set(names)) == len(apart) + 2


def test_asking_again_is_a_cache_hit(split, tmp_path, monkeypatch):
    first = fit.run(small(split), store=tmp_path)
    monkeypatch.setattr(fit, "_train", lambda *_: pytest.fail("trained again"))
    again = fit.run(small(split), store=tmp_path)
    assert again.reused
    assert re.fullmatch(r"reused, trained in \d+ s on \d+ threads?", again.provenance)
    assert_same_run(first, again)
    assert run_store.store_size(tmp_path)[0] == 1
    assert run_store.store_size(tmp_path)[1] > 10_000


def test_predictions_are_better_than_chance_by_far(split, tmp_path):
    run = fit.run(small(split, epochs=5), store=tmp_path)
    assert np.mean(run.test_predictions == split.y_test) > 0.9
    assert run.history["val_accuracy"].iloc[-1] == np.mean(run.val_predictions == split.y_val)


def test_views_change_predictions_but_train_nothing(split, tmp_path, monkeypatch):
    one = fit.run(small(split), store=tmp_path)
    monkeypatch.setattr(fit, "_train", lambda *_: pytest.fail("trained again"))
    five = fit.run(small(split, views=5), store=tmp_path)
    assert one.key == five.key
    images = split.x_test.astype(np.int64)
    moved = [np.zeros_like(images) for _ in range(4)]
    moved[0][:, 1:], moved[1][:, :-1] = images[:, :-1], images[:, 1:]
    moved[2][:, :, 1:], moved[3][:, :, :-1] = images[:, :, :-1], images[:, :, 1:]
    kernel, bias = weights(one)
    expected = sum((x.reshape(50, 784) / 255 @ kernel + bias) for x in [images, images, *moved]) / 6
    np.testing.assert_allclose(five.test_logits, expected, atol=1e-3)
    assert np.array_equal(fit.run(small(split, views=5), store=tmp_path).val_logits, five.val_logits)


CHANGES = [
    {"seed": 1},
    {"epochs": 3},
    {"batch_size": 16},
    {"learning_rate": 0.051},
    {"momentum": 0.8},
    {"nesterov": True},
    {"schedule": "cosine"},
    {"schedule": "one_cycle", "schedule_options": {"warm_up": 0.3}},
    {"weight_decay": 1e-3},
    {"label_smoothing": 0.1},
    {"loss": "mse"},
    {"augmentation": Warp()},
    {"augmentation": Warp(rotation=5)},
    {"steps_per_epoch": 3},
    {"optimizer": "adam"},
    {"model": "mlp"},
    {"model": "mlp", "options": {"units": (8,)}},
    {"precision": "mixed_bfloat16"},
]


def test_every_change_that_matters_changes_the_key(split):
    keys = [fit.key(small(split, **change)) for change in ({}, *CHANGES)]
    assert len(set(keys)) == len(keys)
    assert fit.key(small(make_split(seed=1))) not in keys
    assert fit.key(small(split, views=5)) == keys[0]


# TensorFlow is imported once, and each training is a fork of that process, which has computed nothing itself. The forks
# compute something else first: with how many threads TensorFlow works is decided then, and must be the same.
FORKING = (
    MAKE_SPLIT
    + """
import json, os, sys
from pathlib import Path
from helpers.training import fit
from helpers.models.augmentation import Warp
from helpers.runtime.device import keras
spec = fit.TrainSpec(split=make_split(), **RECIPE)
children = []
for store in sys.argv[1:]:
    children.append(os.fork())
    if children[-1] == 0:
        keras.ops.ones(1)
        fit.run(spec, store=Path(store))
        os._exit(0)
print(*children, flush=True)
print(*[os.waitpid(child, 0)[1] for child in children])
"""
)


def start(*stores):
    """Start a process that trains RESTLESS into each store at once; it prints process ids, in the end statuses."""
    script = FORKING.replace("RECIPE", repr({**RESTLESS, "model": MODEL, "options": OPTIONS}))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    how = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, stores)], **how)


def steady(split, **changes):
    """Return a training with warps and dropout whose learning rate is halved when validation stands still."""
    options = {"schedule": "plateau", "schedule_options": {"minimum": 0.0, "patience": 1}}
    return restless(split, **{**options, **changes})


def test_shorter_trainings_are_taken_from_a_longer_one_bit_for_bit(split, tmp_path):
    alone = {epochs: fit.run(steady(split, epochs=epochs), store=tmp_path / "alone") for epochs in (1, 3, 4)}
    longest = fit.run(steady(split, epochs=4), milestones=(1, 3), store=tmp_path / "together")
    assert_same_run(alone[4], longest)
    assert len({run.history["learning_rate"].iloc[-1] for run in alone.values()}) > 1, "the rate moves"
    for epochs in (1, 3):
        taken = fit.run(steady(split, epochs=epochs), store=tmp_path / "together")
        assert taken.reused
        assert_same_run(alone[epochs], taken)
        first = longest.history["seconds"].iloc[:epochs]
        assert taken.seconds == pytest.approx(first.sum()), "what its own epochs took, and not those after"
    assert fit.recall(steady(split, epochs=2), store=tmp_path / "together") is None


def test_a_shorter_training_survives_a_stop_of_the_longer_one(split, tmp_path, monkeypatch):
    def stop(entry, epoch, arrays):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_store, "save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            fit.run(steady(split), milestones=(1,), store=tmp_path)
    first = fit.recall(steady(split, epochs=1), store=tmp_path)
    assert first is not None, "stored before the checkpoint that a stop may prevent"
    (first.directory / "run.json").write_text("{}")  # damaged: made again, not trusted
    fit.run(steady(split, epochs=2), milestones=(1,), store=tmp_path)
    assert_same_run(first, fit.recall(steady(split, epochs=1), store=tmp_path))


@pytest.mark.parametrize("milestone", [0, 4, 5])
def test_milestones_lie_before_the_end(milestone, split, tmp_path):
    with pytest.raises(ValueError, match=f"milestones: got {milestone}; epochs from 1 to 3"):
        fit.run(steady(split, epochs=4), milestones=(milestone,), store=tmp_path)


def test_a_schedule_that_looks_ahead_has_no_milestones(split, tmp_path):
    with pytest.raises(ValueError, match="'one_cycle', which depends on the end; constant and plateau"):
        fit.run(steady(split, schedule="one_cycle", schedule_options={}), milestones=(1,), store=tmp_path)


@forks
@pytest.mark.slow
def test_killed_after_an_epoch_it_ends_with_the_very_same_bits(undisturbed, split, tmp_path):
    process = start(tmp_path)
    pid = int(process.stdout.readline())
    deadline = time.monotonic() + 600
    while not list(tmp_path.glob("*/epoch-*.npz")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    statuses, log = process.communicate(timeout=600)
    assert [int(status) for status in statuses.split()] == [signal.SIGKILL], log
    assert not list(tmp_path.glob("*/run.json"))
    run = fit.run(restless(split), store=tmp_path)
    assert run.resumed_from >= 1
    assert "earlier" in run.provenance
    assert_same_run(undisturbed, run)


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_stopped_anywhere_it_ends_with_the_very_same_bits(after, undisturbed, split, tmp_path, monkeypatch):
    save = run_store.save_checkpoint

    def save_then_stop(entry, epoch, arrays):
        save(entry, epoch, arrays)
        (entry.directory / ".abandoned.part").write_bytes(b"half a file")
        if epoch == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_store, "save_checkpoint", save_then_stop)
        with pytest.raises(KeyboardInterrupt):
            fit.run(restless(split), store=tmp_path)
    run = fit.run(restless(split), store=tmp_path)
    assert run.resumed_from == after
    assert_same_run(undisturbed, run)
    names = {path.name for path in run.directory.iterdir()}
    assert names == {"run.json", "model.keras", "losses.npz", "logits-1.npz"}


def test_a_damaged_checkpoint_is_not_resumed_from(undisturbed, split, tmp_path, monkeypatch):
    save = run_store.save_checkpoint

    def save_damage_stop(entry, epoch, arrays):
        save(entry, epoch, arrays)
        path = next(entry.directory.glob("epoch-*.npz"))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_store, "save_checkpoint", save_damage_stop)
        with pytest.raises(KeyboardInterrupt):
            fit.run(restless(split), store=tmp_path)
    run = fit.run(restless(split), store=tmp_path)
    assert run.resumed_from == 0
    assert_same_run(undisturbed, run)


@pytest.mark.parametrize("name", ["run.json", "model.keras", "losses.npz", "logits-1.npz"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_corrupt_entry_is_trained_again(name, damage, split, tmp_path, capsys):
    first = fit.run(small(split), store=tmp_path)
    path = first.directory / name
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[:100])
    else:
        path.unlink()
    again = fit.run(small(split), store=tmp_path)
    assert not again.reused
    assert_same_run(first, again)
    if (name, damage) != ("run.json", "remove"):  # without a record it is simply unfinished
        assert "training it again" in capsys.readouterr().err


@forks
@pytest.mark.slow
def test_two_processes_train_it_once(tmp_path, split):
    statuses, log = start(tmp_path, tmp_path).communicate(timeout=600)
    assert statuses.splitlines()[1] == "0 0", log
    assert [log.count(f"epoch {epoch}/4") for epoch in range(1, 5)] == [1, 1, 1, 1], log
    assert fit.run(restless(split), store=tmp_path).reused


def test_a_loss_that_is_not_finite_names_epoch_and_step_and_keeps_the_last_good_state(split, tmp_path, monkeypatch):
    spec = small(split, epochs=3)
    make, seen = step.make_steps, []

    def poisoned(*args, **kwargs):
        real = make(*args, **kwargs)

        def steps(*given):
            losses, correct = real(*given)
            seen.append(1)
            if len(seen) == 2:  # one chunk an epoch here, so this is the second epoch
                losses[3:] = np.nan
            return losses, correct

        return steps

    step._idle.clear()
    monkeypatch.setattr(step, "make_steps", poisoned)
    with pytest.raises(fit.Diverged, match=r"epoch 2, step 4 of 10.*after epoch 1, is kept") as caught:
        fit.run(spec, store=tmp_path)
    assert str(tmp_path) in str(caught.value)
    entry = run_store.Entry(tmp_path, fit.key(spec))
    epoch, arrays = run_store.load_checkpoint(entry)
    assert epoch == 1
    assert all(np.isfinite(a).all() for name, a in arrays.items() if name.startswith("v"))
    monkeypatch.undo()
    assert fit.run(spec, store=tmp_path).resumed_from == 1


def test_a_real_blow_up_is_reported(split, tmp_path):
    spec = fit.TrainSpec("dr_simple", split, learning_rate=1e20, batch_size=32, epochs=2, precision="float32")
    with pytest.raises(fit.Diverged, match=r"epoch 1, step \d+ of 10, learning rate 1e\+20.*No epoch"):
        fit.run(spec, store=tmp_path)


def test_a_range_test_may_blow_up(split, tmp_path):
    spec = fit.TrainSpec(
        "dr_simple",
        split,
        learning_rate=1e20,
        schedule="exponential",
        schedule_options={"start": 1e-24},
        batch_size=4,
        precision="float32",
    )
    run = fit.run(spec, store=tmp_path)
    finite = np.isfinite(run.step_losses)
    assert finite[:10].all()
    assert not finite[-1]


def test_a_full_disk_is_named_and_leaves_no_rubbish(split, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(files.DiskFull, match=r"disk is full.*make clean.*last finished epoch"):
        fit.run(small(split), store=tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("*/.*.part"))
    assert not fit.run(small(split), store=tmp_path).reused


def test_no_epochs_is_the_network_before_training(split, tmp_path):
    run = fit.run(small(split, epochs=0), store=tmp_path)
    assert len(run.history) == 0
    assert run.seconds == 0
    fresh = architectures.build("linear", precision="float32").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(weights(run), fresh, strict=True))


def test_without_validation_images(split, tmp_path):
    empty = splits.make(split.source, "toy", split.train_index, [], split.test_index)
    run = fit.run(small(empty), store=tmp_path)
    assert run.history["val_accuracy"].isna().all()
    assert run.val_logits.shape == (0, 10)
    with pytest.raises(ValueError, match="plateau"):
        small(empty, schedule="plateau")


def test_plateau_lowers_the_rate_when_validation_stalls(split, tmp_path):
    spec = small(split, epochs=6, learning_rate=1e-6, schedule="plateau",
                 schedule_options={"patience": 1, "minimum": 1e-9})  # fmt: skip
    rates = fit.run(spec, store=tmp_path).history["learning_rate"].to_numpy()
    assert rates[-1] < rates[0]


def test_weight_decay_is_the_gradient_of_half_the_squared_norm(split, tmp_path):
    # Plain SGD, one step: the decayed network must lie exactly learning_rate * decay * weights nearer to zero.
    plain = small(split, epochs=1, steps_per_epoch=1, momentum=0.0)
    decayed = replace(plain, weight_decay=0.5)
    before = architectures.build("linear", precision="float32").get_weights()[0]
    a, b = (weights(fit.run(spec, store=tmp_path))[0] for spec in (plain, decayed))
    np.testing.assert_allclose(a - b, 0.05 * 0.5 * before, atol=1e-6)


def test_weight_decay_pulls_at_the_weights_that_are_named():
    """The shallow network: kernel and bias of a convolution, of a hidden dense layer, of the output."""
    model = architectures.build("nf264_shallow", precision="float32")
    assert step.decayed(model, "conv") == [True, False, False, False, False, False]
    assert step.decayed(model, "kernels") == [True, False, True, False, True, False]
    assert step.decayed(model, "all") == [True] * 6


def test_one_step_of_softmax_regression_by_hand(split, tmp_path):
    spec = small(split, epochs=1, steps_per_epoch=1, momentum=0.0, label_smoothing=0.1)
    rows, _ = fit._draw(spec, 0)
    x, y = split.x_train[rows[0]].reshape(-1, 784) / 255, np.eye(10)[split.y_train[rows[0]]] * 0.9 + 0.01
    kernel, bias = architectures.build("linear", precision="float32").get_weights()
    odds = np.exp(x @ kernel + bias)
    probability = odds / odds.sum(axis=1, keepdims=True)
    run = fit.run(spec, store=tmp_path)
    assert run.step_losses[0] == pytest.approx(-(y * np.log(probability)).sum(axis=1).mean(), rel=1e-4)
    gradient = x.T @ (probability - y) / len(x)
    np.testing.assert_allclose(weights(run)[0], kernel - 0.05 * gradient, atol=1e-5)


def test_every_epoch_shuffles_anew_and_uses_every_row_once(split):
    spec = small(split, batch_size=30)
    first, second = (fit._draw(spec, epoch)[0] for epoch in (0, 1))
    assert first.shape == (10, 30)
    assert len(np.unique(first)) == 300
    assert not np.array_equal(first, second)
    longer = fit._draw(replace(spec, steps_per_epoch=25), 0)[0].ravel()
    assert (np.bincount(longer[:320], minlength=320) == 1).all()


BAD = [
    ("epochs", -1),
    ("epochs", 1.5),
    ("batch_size", 0),
    ("learning_rate", 0),
    ("learning_rate", -0.1),
    ("learning_rate", float("nan")),
    ("momentum", 1.0),
    ("weight_decay", -1),
    ("label_smoothing", 1.0),
    ("seed", -1),
    ("views", 3),
    ("steps_per_epoch", 0),
    ("model", "lenet"),
    ("schedule", "linear"),
    ("optimizer", "lion"),
    ("loss", "hinge"),
    ("precision", "float8"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_fields_are_refused_by_name(name, value, split):
    with pytest.raises(ValueError, match=rf"{name}: got .*allowed"):
        replace(small(split), **{name: value})


def test_a_strange_keras_file_is_not_loaded(undisturbed, tmp_path):
    path = tmp_path / "gift.keras"
    path.write_bytes((undisturbed.directory / "model.keras").read_bytes())
    with pytest.raises(ValueError, match=r"no run record.*only networks whose hash"):
        fit.load_model(path)
    with pytest.raises(ValueError, match="is not the file that was stored"):
        fit.load_model(path, sha256="0" * 64)
    assert fit.load_model(undisturbed.directory / "model.keras").name == MODEL


def test_recipes(split):
    spec = recipes.fast("fast_b", split, epochs=4, seed=2, views=1)
    assert (spec.epochs, spec.seed, spec.learning_rate, spec.views) == (4, 2, 0.3, 1)
    deep = recipes.published("nf264_deep", split, epochs=1)
    assert (deep.optimizer, deep.learning_rate, deep.momentum, deep.batch_size) == ("sgd", 0.01, 0.9, 64)
    folded = recipes.nf264_cross_validated(split, seed=3)
    assert (folded.model, folded.epochs, folded.batch_size, folded.seed) == ("nf264_deep", 20, 32, 3)
    with pytest.raises(ValueError, match=r"fast_b.*nf264_deep"):
        recipes.published("fast_b", split)


def test_summary_is_one_tidy_row_a_run(undisturbed):
    table = fit.summary({"recogModel": undisturbed})
    assert table.loc["recogModel", "parameters"] == undisturbed.parameters
    assert table.loc["recogModel", "epochs"] == 4
    assert "trained here" in table.loc["recogModel", "origin"]
