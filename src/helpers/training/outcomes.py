"""What a training leaves in the run store, read back and verified: its history, its predictions, its network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.models import layers
from helpers.models.architectures import N_CLASSES
from helpers.runtime import paths, run_store
from helpers.runtime.device import keras
from helpers.training.specs import TrainSpec, key

_EVALUATION_BATCH = 500
HISTORY = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
_OURS = (layers.SpaceToDepth, layers.FusedBatchNormalization)  # importing them registers them for loading


@dataclass(frozen=True, eq=False)
class Run:
    """What a training left, whether it was trained here, on a cluster, or is known from a committed record.

    key: its name in the run store, or the record's. history: one row per epoch (epoch, loss, accuracy, val_loss,
    val_accuracy, learning_rate, seconds). val_predictions, test_predictions: classes, int64 (n,). seconds: wall time of
    all epochs, in however many sittings, for the first of a recipe in its process with tracing. reused: it was not
    trained in this call. resumed_from: finished epochs found when this call began.
    val_logits, test_logits: float32 (n, 10), averaged over `spec.views`; step_losses: float32, one per step; directory:
    of its files. A record has none of these four (None), but the day it was `finished` and its `standing`: in words,
    what it is to today's code.
    """

    spec: TrainSpec
    key: str
    history: pd.DataFrame
    val_predictions: np.ndarray
    test_predictions: np.ndarray
    seconds: float
    parameters: int
    flops: int
    hardware: dict
    reused: bool = True
    resumed_from: int = 0
    val_logits: np.ndarray | None = None
    test_logits: np.ndarray | None = None
    step_losses: np.ndarray | None = None
    directory: Path | None = None
    finished: str = ""
    standing: str = ""

    @property
    def images_per_second(self) -> float:
        """Training images per second of wall time."""
        images = self.spec.epochs * self.spec.steps * self.spec.batch
        return images / self.seconds if self.seconds else float("nan")

    @property
    def cost(self) -> dict:
        """Return what a results row says about price: training seconds and number of parameters."""
        return {"seconds": self.seconds, "parameters": self.parameters}

    @property
    def threads(self) -> str:
        """Say in words on how many threads it was trained."""
        return f"{self.hardware['threads']} thread" + ("s" if self.hardware["threads"] != 1 else "")

    @property
    def machine(self) -> str:
        """Say in words on what it was trained."""
        return f"{self.threads} of {self.hardware['processor']}, {self.hardware['precision']}"

    @property
    def provenance(self) -> str:
        """Say in words when and where it was trained, how long it took, and by which code if not by this."""
        if self.finished:
            return f"recorded {self.finished}{self.standing}, trained in {self.seconds:,.0f} s on {self.machine}"
        if self.reused:
            return f"reused, trained in {self.seconds:.0f} s on {self.threads}"
        resumed = f", {self.resumed_from} epochs of it earlier" if self.resumed_from else ""
        return f"trained here in {self.seconds:.0f} s on {self.threads}{resumed}"

    def load(self) -> keras.Model:
        """Load the trained network, after verifying its hash. Raises ValueError for a record, which has no weights."""
        if self.directory is None:
            raise ValueError(f"run: got {self.key}, a committed record; only a run of the run store has weights")
        record = run_store.load_record(run_store.Entry(self.directory.parent, self.key))
        return load_model(self.directory / "model.keras", sha256=record["files"]["model.keras"])


def together(runs: Sequence[Run]) -> str:
    """Say in words when and where several recorded runs were trained, by which code, and how long it took in all."""
    days, machines, standings = ({getattr(one, name) for one in runs} for name in ("finished", "machine", "standing"))
    seconds = f"{sum(one.seconds for one in runs):,.0f} s in all"
    where = machines.pop() + " each" if len(machines) == 1 else f"{len(machines)} kinds of machine"
    standing = standings.pop() if len(standings) == 1 else "".join(sorted(standings))
    return f"recorded {max(days)}{standing}, {len(runs)} trainings in {seconds} on {where}"


def recall(spec: TrainSpec, *, run_key: str | None = None, store: Path | None = None) -> Run | None:
    """Return the finished run of `spec` from the store, None where there is none; trains nothing.

    `run_key`: the name it is stored under, when a process with other threads, or another machine, trained it.
    """
    entry = run_store.Entry(Path(store or paths.RUNS), run_key or key(spec))
    with entry.lock():
        try:
            record = run_store.load_record(entry)
            return record and assemble(spec, entry, record, reused=True, resumed_from=0)
        except run_store.Corrupt:
            return None


def assemble(spec: TrainSpec, entry: run_store.Entry, record: dict, *, reused: bool, resumed_from: int) -> Run:
    """Read and verify every file of a finished run; predictions over more views are made the first time asked."""
    blobs = {name: run_store.read(entry.directory / name, sha256) for name, sha256 in record["files"].items()}
    wanted = f"logits-{spec.views}.npz"
    if wanted not in blobs:
        model = load_model(entry.directory / "model.keras", sha256=record["files"]["model.keras"])
        blobs[wanted], record = predict_into(spec, entry, record, make_predictor(model))
    arrays = run_store.from_npz(blobs[wanted])
    return Run(
        spec=spec,
        key=entry.key,
        history=pd.DataFrame(record["history"], columns=HISTORY, dtype=float),
        val_predictions=np.argmax(arrays["val"], axis=1),
        test_predictions=np.argmax(arrays["test"], axis=1),
        seconds=float(sum(row[-1] for row in record["history"])),
        **{name: record[name] for name in ("parameters", "flops", "hardware")},
        reused=reused,
        resumed_from=resumed_from,
        val_logits=arrays["val"],
        test_logits=arrays["test"],
        step_losses=run_store.from_npz(blobs["losses.npz"])["losses"],
        directory=entry.directory,
    )


def predict_into(
    spec: TrainSpec, entry: run_store.Entry, record: dict, predictor, *, validation: np.ndarray | None = None
) -> tuple[bytes, dict]:
    """Store logits of the validation and test parts and, with them, the record; return both.

    predictor: of `make_predictor`, of the trained network. validation: logits of one view of the validation
    part, where they are known already.
    """
    parts = {"val": spec.split.x_val, "test": spec.split.x_test}
    known = {"val": validation} if spec.views == 1 and validation is not None else {}
    logits = {
        name: known[name] if name in known else viewed(predictor, images, spec.views) for name, images in parts.items()
    }
    name, data = f"logits-{spec.views}.npz", run_store.to_npz(logits)
    files = {**record["files"], name: run_store.write(entry.directory / name, data)}
    record = {**record, "files": files}
    run_store.save_record(entry, record)
    return data, record


def prepare(images):
    """Return uint8 images (n, h, w), a NumPy array or a tensor, as networks take them: float32 (n, h, w, 1) in 0..1."""
    return keras.ops.expand_dims(keras.ops.cast(images, "float32"), -1) / 255.0


def make_predictor(model: keras.Model):
    """Return f(uint8 images (n, h, w)) -> float32 logits (n, 10), batched; no dropout, moving statistics."""
    import tensorflow as tf

    signature = [tf.TensorSpec([None, *model.input_shape[1:3]], tf.uint8)]
    forward = tf.function(lambda x: model(prepare(x), training=False), input_signature=signature, autograph=False)

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), _EVALUATION_BATCH)
        parts = [forward(images[i : i + _EVALUATION_BATCH]).numpy() for i in starts]
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, N_CLASSES), np.float32)

    return predict


def viewed(predictor, images: np.ndarray, views: int) -> np.ndarray:
    """Return logits float32 (n, 10) of uint8 `images` (n, h, w), averaged over 1 or 5 views.

    Five are the image itself, counted twice, and moved by one pixel in each of four directions. predictor: of
    `make_predictor`.
    """
    if views == 1 or not len(images):
        return predictor(images)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[1:]
    total = 2 * predictor(images)
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        total += predictor(np.ascontiguousarray(padded[:, down : down + height, right : right + width]))
    return total / 6


def load_model(path: str | Path, *, sha256: str | None = None) -> keras.Model:
    """Load a `.keras` file of ours, in Keras's safe mode.

    `sha256` is the hash that was written down for it; by default the one in the run's record beside it. A file
    can carry code, so without a matching hash nothing is loaded: raises ValueError.
    """
    path = Path(path)
    try:
        if sha256 is None:
            entry = run_store.Entry(path.resolve().parent.parent, path.resolve().parent.name)
            sha256 = (run_store.load_record(entry) or {}).get("files", {}).get(path.name)
        if sha256 is None:
            raise run_store.Corrupt(f"{path.name} has no run record beside it")
        run_store.read(path, sha256)
    except run_store.Corrupt as problem:
        raise ValueError(f"path: {problem}; only networks whose hash this project wrote down are loaded") from problem
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def predict(network: Run | keras.Model, images: np.ndarray, *, views: int = 1) -> np.ndarray:
    """Return logits float32 (n, 10) for uint8 `images` (n, h, w), averaged over 1 or 5 views."""
    model = network.load() if isinstance(network, Run) else network
    return viewed(make_predictor(model), images, views)


def summary(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return one row per run, for the reader: size, epochs, validation accuracy, time and where it came from."""
    rows = {
        name: {
            "parameters": run.parameters,
            "epochs": run.spec.epochs,
            "training loss": run.history["loss"].iloc[-1] if len(run.history) else float("nan"),
            "validation accuracy": _accuracy(run.val_predictions, run.spec.split.y_val),
            "seconds": run.seconds,
            "images/s": run.images_per_second,
            "origin": "recorded" if run.finished else "reused" if run.reused else "trained here",
        }
        for name, run in runs.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def _accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(predictions == labels)) if len(labels) else float("nan")
