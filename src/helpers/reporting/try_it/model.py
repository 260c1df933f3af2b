"""The shipped network as numbers that a page can compute with: read from the .keras file itself, without TensorFlow.

A .keras file is a zip of config.json (the layers) and model.weights.h5 (their numbers). Only a chain of the layers
that the shipped network has is understood; anything else is refused by name, never guessed at.
"""

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.predict import shipped


@dataclass(frozen=True, eq=False)
class Exported:
    """A network for assets/try/network.js, and the card beside it.

    steps: one dict per step, {"kind": ...} with its sizes, in order. weights: float32 (n,), the steps' numbers one
    after the other.
    """

    steps: list[dict]
    weights: np.ndarray
    card: dict

    def as_json(self) -> dict:
        """Return what the page reads: weights as little-endian float32 in base64.

        Half the bytes (float16) would move probabilities by up to 0.002: more than the 0.001 that is promised.
        """
        return {
            "steps": self.steps,
            "weights": base64.b64encode(self.weights.astype("<f4").tobytes()).decode("ascii"),
            "temperature": float(self.card["temperature"]),
            "threshold": float(self.card["threshold"]),
            "digits": self.card.get("digits", list(range(10))),
        }


def export(directory: Path) -> Exported:
    """Read the network and its card in `directory`. Raises ValueError where they are missing, differ or are unknown."""
    card = shipped.load_card(directory)
    path = directory / shipped.WEIGHTS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"model: there is no {path}; {shipped.CURE}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ValueError(
            f"model: {path} is not the file that {shipped.CARD} describes: its SHA-256 begins with {found[:16]}, "
            f"expected {card['sha256'][:16]}; {shipped.CURE}"
        )
    import h5py

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            return Exported(*_chain(layers, file["layers"]), card)


def _chain(layers: list[dict], stored) -> tuple[list[dict], np.ndarray]:
    steps, parts, seen, before = [], [], {}, None
    for layer in layers:
        kind, config = layer["class_name"], layer["config"]
        if before is not None and _inputs(layer) != [before]:
            raise ValueError(f"model: layer {config['name']} follows {_inputs(layer)}; only a chain can be exported")
        before = config["name"]
        if kind not in _STEPS:
            raise ValueError(f"model: layer {before} is of kind {kind}; known are {', '.join(_STEPS)}")
        # Keras stores by class and position among its kind: conv2d, conv2d_1, ...
        name, count = _SNAKE[kind], seen.get(kind, 0)
        seen[kind] = count + 1
        variables = stored.get(f"{name}_{count}" if count else name, {}).get("vars", {})
        arrays = [np.asarray(variables[str(i)], np.float64) for i in range(len(variables))]
        step, numbers = _STEPS[kind](config, arrays)
        if step:
            steps.append(step)
            parts += [array.ravel() for array in numbers]
    return steps, np.concatenate(parts).astype(np.float32)


def _inputs(layer: dict) -> list[str]:
    (node,) = layer["inbound_nodes"]
    return [tensor["config"]["keras_history"][0] for tensor in node["args"]]


def _expect(config: dict, **wanted) -> None:
    """Refuse settings that the page's arithmetic does not have."""
    for name, value in wanted.items():
        if config.get(name) != value:
            raise ValueError(f"model: layer {config['name']} has {name} = {config.get(name)}, expected {value}")


def _convolution(config, arrays):
    _expect(config, strides=[1, 1], dilation_rate=[1, 1], groups=1, activation="linear", use_bias=False)
    (kernel,) = arrays
    height, width, inputs, outputs = kernel.shape
    if height != width or not height % 2 or config["padding"] not in ("same", "valid"):
        raise ValueError(f"model: layer {config['name']} has a kernel of {height} x {width}, {config['padding']}")
    padding = height // 2 if config["padding"] == "same" else 0
    return {"kind": "convolve", "side": height, "padding": padding, "inputs": inputs, "outputs": outputs}, [kernel]


def _normalisation(config, arrays):
    """Four numbers a channel become two. They stay a step of their own: between convolution and normalisation there
    may be pooling, and the largest value is no longer the largest once a channel's scale is negative."""
    gamma, beta, mean, variance = arrays
    scale = gamma / np.sqrt(variance + config["epsilon"])
    return {"kind": "scale", "channels": len(scale)}, [scale, beta - mean * scale]


def _pooling(config, arrays):
    _expect(config, pool_size=[2, 2], strides=[2, 2], padding="valid")
    return {"kind": "pool"}, []


def _relu(config, arrays):
    _expect(config, max_value=None, negative_slope=0.0, threshold=0.0)
    return {"kind": "relu"}, []


def _highest(config, arrays):
    return {"kind": "highest"}, []


def _dense(config, arrays):
    _expect(config, activation="linear", use_bias=True)
    inputs, outputs = arrays[0].shape
    return {"kind": "dense", "inputs": inputs, "outputs": outputs}, arrays


def _input(config, arrays):
    _expect(config, batch_shape=[None, 28, 28, 1])
    return None, []


_STEPS = {
    "InputLayer": _input,
    "Conv2D": _convolution,
    "FusedBatchNormalization": _normalisation,
    "MaxPooling2D": _pooling,
    "ReLU": _relu,
    "GlobalMaxPooling2D": _highest,
    "Dense": _dense,
}
_SNAKE = {
    "InputLayer": "input_layer",
    "Conv2D": "conv2d",
    "FusedBatchNormalization": "fused_batch_normalization",
    "MaxPooling2D": "max_pooling2d",
    "ReLU": "re_lu",
    "GlobalMaxPooling2D": "global_max_pooling2d",
    "Dense": "dense",
}
