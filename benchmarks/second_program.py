"""The recipe a second time, written apart from the series in PyTorch: all seeds of a training at once, on a GPU.

    python benchmarks/second_program.py --check                  # its layers against PyTorch's own, on any machine
    python benchmarks/second_program.py ingredients makes        # on a GPU: some eight minutes on an H100
    python benchmarks/second_program.py ingredients --only "no warps" --seeds 3 --record build/few.json

Needs NumPy and PyTorch (2.11 was used), which the series itself does without, and nothing of the series but MNIST in
data/. What comes out is kept beside it, in second_program.json, and shown in report 11: how many held-out images each
seed misreads, in one view and in five (of the final recipe also in thirteen). Test images are not read. Networks of all
seeds are stacked: every tensor has a leading axis of seeds, so that a layer of twenty small networks is one large
product. Seed i of every training begins from the same weights where shapes allow it, and sees the same images in the
same order, under the same warps.

It differs from the series where ties of a pooling share the gradient (TensorFlow gives it to one), in the number format
of a few small products (float32 in squeeze and excitation and in the mean of a filter, bfloat16 in Muon's iteration)
and in the draws: of weights, warps, order and held-out images, which are not stratified here.

What is recorded of 2026-11-26 was made by a draft of this program, which gives the same weights to the last bit on a
processor; the makes up to "separable, residual" by an earlier one, which rounded within the normalization elsewhere.
"""

import argparse
import gzip
import json
import math
import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

HERE = Path(__file__).resolve()
RECORD = HERE.with_suffix(".json")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIDE = 28


@dataclass(frozen=True)
class Layer:
    """A convolution, a pooling if `pool`, a normalization and a ReLU; kind "dense", or "separable" without bias.

    middle: whether a separable one is also normalised between its two halves. residual: its input is added. squeeze:
    ratio of channels to units between, 0 for no squeeze and excitation.
    """

    filters: int
    size: int = 3
    padding: int = 0
    pool: bool = False
    kind: str = "dense"
    residual: bool = False
    squeeze: int = 0
    middle: bool = False


@dataclass(frozen=True)
class Training:
    """What decides a training; the defaults are the final recipe's.

    split: "half" (30,000 to train, the same for every seed) or "sixths" (of 60,000 images a sixth is held out, another
    for each of six seeds). put_in: "averaged", "lookahead", "muon", "growing", "distilled", "erased", "elastic",
    "mixed", or nothing.
    """

    layers: tuple[Layer, ...]
    head: str = "max"
    passes: int = 8
    rate: float = 0.3
    constant: bool = False
    decay: float = 5e-4
    smoothing: float = 0.1
    warp: float = 1.0
    batch: int = 128
    split: str = "half"
    seeds: int = 20
    put_in: str = ""
    ratio: float = 0.1  # of Muon's rate to that of the recipe


def net_e(*filters: int) -> tuple[Layer, ...]:
    """Return the layers of fast net e with so many filters."""
    first, second, third, fourth, fifth = filters
    return (
        *(Layer(first, 5, pool=True), Layer(second, padding=1), Layer(third, pool=True)),
        *(Layer(fourth, padding=1), Layer(fifth)),
    )


FINAL = Training(net_e(32, 32, 64, 64, 128))
# Names as in report 11; `distilled` needs the networks of "no label smoothing" trained before it in the same call.
INGREDIENTS = {
    "final recipe": FINAL,
    "no label smoothing": replace(FINAL, smoothing=0.0),
    "no warps": replace(FINAL, warp=0.0),
    "constant rate of 0.03": replace(FINAL, constant=True, rate=0.03),
    "no weight decay": replace(FINAL, decay=0.0),
    "batches of 64": replace(FINAL, batch=64),
    "batches of 256": replace(FINAL, batch=256),
    "batches of 512": replace(FINAL, batch=512),
    "twice the peak rate": replace(FINAL, rate=0.6),
    "mean for the maximum": replace(FINAL, head="mean"),
    "wider last layer": replace(FINAL, layers=net_e(32, 32, 64, 64, 192)),
    "squeeze and excitation": replace(FINAL, layers=tuple(replace(one, squeeze=4) for one in FINAL.layers)),
    **{name: replace(FINAL, put_in=name) for name in ("averaged", "lookahead", "muon")},
    **{
        name: replace(FINAL, put_in="muon", ratio=ratio)
        for name, ratio in {"muon slow": 0.03, "muon fast": 0.3, "muon faster": 0.6}.items()
    },
    **{name: replace(FINAL, put_in=name) for name in ("growing", "distilled", "erased", "elastic", "mixed")},
}


def separable(filters: int, **more) -> Layer:
    """Return a separable convolution of 3 x 3."""
    return Layer(filters, kind="separable", **{"padding": 1, **more})


SMALL = Training((), head="mean", passes=14, smoothing=0.0, warp=0.85, split="sixths", seeds=12)
NARROW = replace(SMALL, layers=net_e(16, 16, 24, 32, 36))
MAKES = {
    "16 · 16 · 24 · 24 · 48": replace(SMALL, layers=net_e(16, 16, 24, 24, 48)),
    "a wider end": replace(SMALL, layers=net_e(16, 16, 16, 24, 64)),
    "a narrower end, 16 · 16 · 24 · 32 · 36": NARROW,
    "seven layers of 3 x 3": replace(
        SMALL,
        layers=(
            *(Layer(8), Layer(16, pool=True), Layer(16, padding=1), Layer(24), Layer(24, padding=1, pool=True)),
            *(Layer(24, padding=1), Layer(28)),
        ),
    ),
    "residual": replace(
        SMALL,
        layers=(
            *(Layer(16, 5, pool=True), Layer(16, padding=1, residual=True), Layer(16, padding=1, residual=True)),
            *(Layer(24, pool=True), Layer(24, padding=1, residual=True), Layer(40)),
        ),
    ),
    "separable, normalised twice": replace(
        SMALL,
        layers=(
            *(Layer(24, 5, pool=True), separable(32, middle=True), separable(48, middle=True)),
            *(separable(64, pool=True, middle=True), separable(80, middle=True)),
            separable(96, padding=0, middle=True),
        ),
    ),
    "separable": replace(
        SMALL,
        layers=(
            *(Layer(24, 5, pool=True), separable(32), separable(48), separable(64, pool=True), separable(80)),
            separable(96, padding=0),
        ),
    ),
    "separable, residual": replace(
        SMALL,
        layers=(
            *(Layer(32, 5, pool=True), separable(32, residual=True), separable(32, residual=True)),
            *(separable(64, pool=True), separable(64, residual=True), separable(64, residual=True)),
            separable(96, padding=0),
        ),
    ),
    "the narrower end, smoothing": replace(NARROW, smoothing=0.1),
    "the narrower end, smoothing, twice the passes": replace(NARROW, smoothing=0.1, passes=28),
    "the narrower end, full warps, twice the passes": replace(NARROW, warp=1.0, passes=28),
    "final network": replace(FINAL, split="sixths", seeds=12),
    "final network, wider warps, twice the passes": replace(FINAL, split="sixths", seeds=12, warp=1.3, passes=16),
}
PARTS = {"ingredients": INGREDIENTS, "makes": MAKES}
# Of one image, as the series averages them: itself, counted twice, and moved by a pixel; thirteen reach two pixels far.
VIEWS = {1: ((0, 0, 1),), 5: ((0, 0, 2), (0, 1, 1), (0, -1, 1), (1, 0, 1), (-1, 0, 1))}
NEAR = [(down, right) for down in range(-2, 3) for right in range(-2, 3) if abs(down) + abs(right) <= 2]
MORE_VIEWS = {13: tuple((down, right, 1 / (1 + abs(down) + abs(right))) for down, right in NEAR)}


# ------------------------------------- layers: x is (seeds, images, height, width, channels)
def windows(x, size: int):
    """Return a view of all size x size patches, (seeds, images, h, w, size, size, channels)."""
    seeds, images, height, width, channels = x.shape
    a, b, c, d, e = x.stride()
    shape = (seeds, images, height - size + 1, width - size + 1, size, size, channels)
    return x.as_strided(shape, (a, b, c, d, c, d, e))


def padded(x, by: int):
    """Return x with so many rows and columns of zeros around every image."""
    return functional.pad(x, (0, 0, by, by, by, by)) if by else x


def patches(x, size: int):
    """Return all patches as rows, with zeros behind: tensor cores want rows of a multiple of 8 numbers."""
    seen = windows(x, size)
    seeds, images, height, width, *_, channels = seen.shape
    length = size * size * channels
    if length % 8 == 0 or x.dtype != torch.bfloat16:
        return seen.reshape(seeds, images * height * width, length)
    rows = x.new_zeros(seeds, images * height * width, -(-length // 8) * 8)
    rows.view(seeds, images, height, width, -1)[..., :length].unflatten(-1, (size, size, channels)).copy_(seen)
    return rows


class Convolve(torch.autograd.Function):
    """Convolution as a product of matrices; w: (seeds, size * size * channels, filters)."""

    @staticmethod
    def forward(ctx, x, w, size, padding):
        seeds, images, height, width, _ = x.shape
        rows = patches(padded(x, padding).contiguous(), size) if size > 1 else x.reshape(seeds, -1, x.shape[-1])
        kernels = functional.pad(w.to(x.dtype), (0, 0, 0, rows.shape[2] - w.shape[1]))
        ctx.save_for_backward(rows, w)
        ctx.size, ctx.padding, ctx.shape = size, padding, x.shape
        less = size - 1 - 2 * padding
        return torch.bmm(rows, kernels).view(seeds, images, height - less, width - less, -1)

    @staticmethod
    def backward(ctx, g):
        rows, w = ctx.saved_tensors
        (seeds, images, height, width, channels), size, filters = ctx.shape, ctx.size, g.shape[-1]
        g = g.contiguous()
        flat, many = g.view(seeds, -1, filters), g[0, ..., 0].numel()
        # A product of a tall and a tall matrix leaves most of a GPU idle: in parts, and their sum.
        parts = 16 if many >= 16384 and many % 16 == 0 else 4 if many % 4 == 0 else 1
        of_w = torch.bmm(
            rows.view(seeds * parts, many // parts, -1).transpose(1, 2), flat.view(seeds * parts, -1, filters)
        )
        of_w = of_w.view(seeds, parts, -1, filters).sum(1, dtype=w.dtype)[:, : w.shape[1]]
        of_x = None
        if ctx.needs_input_grad[0] and size == 1:
            of_x = torch.bmm(flat, w.to(g.dtype).transpose(1, 2)).view(ctx.shape)
        elif ctx.needs_input_grad[0]:
            turned = w.view(seeds, size, size, channels, filters).flip(1, 2).transpose(3, 4)
            turned = turned.reshape(seeds, size * size * filters, channels).to(g.dtype)
            seen = windows(padded(g, size - 1 - ctx.padding).contiguous(), size)
            of_x = torch.bmm(seen.reshape(seeds, images * height * width, -1), turned).view(ctx.shape)
        return of_x, of_w, None, None


class Depthwise(torch.autograd.Function):
    """A kernel of its own for each channel; w: (seeds, size * size, channels)."""

    @staticmethod
    def run(x, w, size):
        height, width, w, out = x.shape[2] - size + 1, x.shape[3] - size + 1, w.to(x.dtype), None
        for place in range(size * size):
            down, right = divmod(place, size)
            part, one = x[:, :, down : down + height, right : right + width], w[:, place][:, None, None, None]
            out = part * one if out is None else torch.addcmul(out, part, one)
        return out

    @staticmethod
    def forward(ctx, x, w, size, padding):
        ctx.save_for_backward(x, w)
        ctx.size, ctx.padding = size, padding
        return Depthwise.run(padded(x, padding), w, size)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        size, (height, width) = ctx.size, g.shape[2:4]
        of_x, around = Depthwise.run(padded(g, size - 1 - ctx.padding), w.flip(1), size), padded(x, ctx.padding)
        places = [divmod(place, size) for place in range(size * size)]
        of_w = [(around[:, :, i : i + height, j : j + width] * g).sum((1, 2, 3), dtype=w.dtype) for i, j in places]
        return of_x, torch.stack(of_w, 1), None, None


class Normalise(torch.autograd.Function):
    """Batch normalization and, if `relu`, a ReLU; sums and coefficients in float32. Also returns mean and variance."""

    @staticmethod
    def forward(ctx, x, gamma, beta, relu):
        n, wide = x[0, ..., 0].numel(), gamma.dtype
        mean = x.sum((1, 2, 3), dtype=wide) / n
        variance = torch.linalg.vector_norm(x, dim=(1, 2, 3), dtype=wide) ** 2 / n - mean * mean
        inverse = (variance.clamp_min(0) + 1e-5).rsqrt()
        scale, y = gamma * inverse, torch.empty_like(x)
        torch.addcmul(_up(beta - mean * scale), x, _up(scale), out=y)
        y = y.relu_() if relu else y
        ctx.save_for_backward(x, y if relu else None, gamma, mean, inverse)
        return y, mean, variance.clamp_min(0) * (n / (n - 1))

    @staticmethod
    def backward(ctx, g, _mean, _variance):
        x, y, gamma, mean, inverse = ctx.saved_tensors
        n = x[0, ..., 0].numel()
        g = g if y is None else torch.ops.aten.threshold_backward(g.contiguous(), y, 0)
        of_beta = g.sum((1, 2, 3), dtype=mean.dtype)
        of_gamma = ((g * x).sum((1, 2, 3), dtype=mean.dtype) - mean * of_beta) * inverse
        a = gamma * inverse
        b = -a * of_gamma * inverse / n
        c, of_x = -a * of_beta / n - b * mean, torch.empty_like(x)
        torch.addcmul(torch.addcmul(_up(c), x, _up(b)), g, _up(a), out=of_x)
        return of_x, of_gamma, of_beta, None


def _up(values):
    return values[:, None, None, None]


def pooled(x):
    """Return the largest of each 2 x 2 places; a last odd row or column is left out."""
    seeds, images, height, width, channels = x.shape
    x = x[:, :, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(seeds, images, height // 2, 2, width // 2, 2, channels).amax((3, 5))


class Network:
    """Networks of all seeds: `weights` is one flat tensor (seeds, n), `statistics` what normalises when predicting."""

    def __init__(self, training: Training):
        self.training, self.plan, self.shapes, self.bounds, self.statistics = training, [], [], [], []
        channels = 1
        for layer in training.layers:
            used = {"depthwise": self._kernel(layer.size**2, channels, fan=layer.size**2)} if _split(layer) else {}
            used |= {"middle": self._norm(channels)} if layer.middle else {}
            rows = channels if _split(layer) else layer.size**2 * channels
            used |= {"kernel": self._kernel(rows, layer.filters, fan=rows), "norm": self._norm(layer.filters)}
            if layer.squeeze:
                few = layer.filters // layer.squeeze
                used["squeeze"] = (*self._dense(layer.filters, few), *self._dense(few, layer.filters))
            channels = layer.filters
            self.plan.append((layer, used))
        self.last = self._dense(channels, 10)
        self.sizes = [math.prod(shape) for shape in self.shapes]
        drawn = torch.stack([self._draw(seed) for seed in range(training.seeds)])
        self.weights = drawn.to(DEVICE).requires_grad_(True)
        self.kernels = torch.cat([torch.full((math.prod(s),), float(len(s) > 1)) for s in self.shapes]).to(DEVICE)
        self.parameters = sum(self.sizes) + sum(mean.shape[1] + variance.shape[1] for mean, variance in self.statistics)

    def _add(self, shape, bound) -> int:
        self.shapes.append(shape)
        self.bounds.append(bound)
        return len(self.shapes) - 1

    def _kernel(self, rows, filters, *, fan) -> int:
        return self._add((rows, filters), math.sqrt(1 / fan))  # 0.4 times He's size, as in the series

    def _dense(self, units, more) -> tuple[int, int]:
        return self._add((units, more), math.sqrt(6 / (units + more))), self._add((more,), 0.0)

    def _norm(self, channels) -> tuple[int, int, int]:
        seeds = self.training.seeds
        self.statistics.append(
            [torch.zeros(seeds, channels, device=DEVICE), torch.ones(seeds, channels, device=DEVICE)]
        )
        return self._add((channels,), 1.0), self._add((channels,), 0.0), len(self.statistics) - 1

    def _draw(self, seed: int):
        dice, drawn = torch.Generator().manual_seed(7919 * seed + 13), []
        for shape, bound in zip(self.shapes, self.bounds, strict=True):
            one = torch.empty(math.prod(shape))
            drawn.append(one.uniform_(-bound, bound, generator=dice) if len(shape) > 1 else one.fill_(bound))
        return torch.cat(drawn)

    def logits(self, x, *, train: bool):
        """Return (seeds, images, 10) of images (seeds, images, 28, 28, 1) in 0..1; training moves the statistics."""
        parts = torch.split(self.weights, self.sizes, 1)
        values = [part.view(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)]
        for layer, used in self.plan:
            before = x
            if "depthwise" in used:
                x = Depthwise.apply(x, values[used["depthwise"]], layer.size, layer.padding)
                x = self._normalised(x, used["middle"], values, train) if layer.middle else x
                x = Convolve.apply(x, values[used["kernel"]], 1, 0)
            else:
                x = Convolve.apply(x, values[used["kernel"]], layer.size, layer.padding)
            x = pooled(x) if layer.pool else x
            x = self._normalised(x, used["norm"], values, train, relu=not layer.residual)
            x = functional.relu(x + before) if layer.residual else x
            if layer.squeeze:
                down, down_bias, up, up_bias = (values[i] for i in used["squeeze"])
                weight = torch.relu(torch.baddbmm(down_bias[:, None], x.float().mean((2, 3)), down))
                weight = torch.sigmoid(torch.baddbmm(up_bias[:, None], weight, up))
                x = (x * weight[:, :, None, None]).to(x.dtype)
        x = x.float()
        x = x.amax((2, 3)) if self.training.head == "max" else x.mean((2, 3))
        kernel, bias = (values[i] for i in self.last)
        return torch.baddbmm(bias[:, None], x, kernel)

    def _normalised(self, x, names, values, train, *, relu=True):
        gamma, beta, (mean, variance) = values[names[0]], values[names[1]], self.statistics[names[2]]
        if train:
            y, batch_mean, batch_variance = Normalise.apply(x, gamma, beta, relu)
            with torch.no_grad():
                mean.lerp_(batch_mean, 0.1)
                variance.lerp_(batch_variance, 0.1)
            return y
        scale = gamma * (variance + 1e-5).rsqrt()
        y = torch.addcmul(_up(beta - mean * scale), x, _up(scale))
        return (y.relu() if relu else y).to(x.dtype)

    def rolled(self, by: int) -> "Network":
        """Return the same networks with seed i + by in the place of seed i."""
        other = object.__new__(Network)
        vars(other).update(vars(self))
        other.weights = self.weights.detach().roll(-by, 0)
        other.statistics = [[mean.roll(-by, 0), variance.roll(-by, 0)] for mean, variance in self.statistics]
        return other


def _split(layer: Layer) -> bool:
    return layer.kind == "separable"


# ------------------------------------------------------------------ images
def mnist() -> dict:
    """Return the 60,000 training images and their labels."""

    def read(name):
        with gzip.open(HERE.parents[1] / "data" / "mnist" / f"train-{name}.gz") as file:
            raw = file.read()
        axes = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(axes)

    images, labels = read("images-idx3-ubyte"), read("labels-idx1-ubyte").astype(np.int64)
    return {"images": torch.from_numpy(images.copy()).to(DEVICE), "labels": torch.from_numpy(labels).to(DEVICE)}


def rows_of(training: Training, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to train on and held-out rows of n images, each (seeds, images)."""
    learned, held = [], []
    for seed in range(training.seeds):
        if training.split == "half":
            order = np.random.default_rng([11]).permutation(n)
            out, kept = order[: n // 2], order[n // 2 :]
        else:  # sixths by turns, drawn anew for each six seeds
            order = np.random.default_rng([77, seed // 6]).permutation(n)
            out = np.array_split(order, 6)[seed % 6]
            kept = np.setdiff1d(order, out)
        learned.append(kept)
        held.append(out)
    return np.stack(learned), np.stack(held)


def warps(n: int, dice, strength: float):
    """Draw maps from output to input pixels, (n, 6): rotation, zoom and shift, as the series composes them."""
    u = torch.rand(n, 6, device=DEVICE, generator=dice) * 2 - 1
    angle, (wide, high) = u[:, 0] * math.radians(10 * strength), (1 + 0.1 * strength * u[:, i] for i in (1, 2))
    a, b, c, d = angle.cos() / wide, -angle.sin() / high, angle.sin() / wide, angle.cos() / high
    middle = (SIDE - 1) / 2
    x = middle - (a + b) * middle - 2 * strength * u[:, 3]
    y = middle - (c + d) * middle - 2 * strength * u[:, 4]
    return torch.stack([a, b, x, c, d, y], -1)


def warped(images, maps, bent=None):
    """Return float images (seeds, n, 28, 28, 1) in 0..1, bilinear at `maps` moved by `bent`; zeros outside."""
    seeds, n = images.shape[:2]
    flat, wide = functional.pad(images, (2, 3, 2, 3)).reshape(seeds, n, -1), SIDE + 5
    line = torch.arange(SIDE, device=DEVICE, dtype=torch.float32)
    down, along = (one.reshape(-1) for one in torch.meshgrid(line, line, indexing="ij"))
    m = maps[..., None]
    x = m[:, :, 0] * along + m[:, :, 1] * down + m[:, :, 2]
    y = m[:, :, 3] * along + m[:, :, 4] * down + m[:, :, 5]
    if bent is not None:
        x, y = x + bent[:, :, 0], y + bent[:, :, 1]
    x, y = (x + 2).clamp(0, SIDE + 3), (y + 2).clamp(0, SIDE + 3)
    left, top = x.floor(), y.floor()
    place = (top * wide + left).long()
    x, y = x - left, y - top
    near = [flat.gather(2, place + step).float() for step in (0, 1, wide, wide + 1)]
    read = (1 - y) * ((1 - x) * near[0] + x * near[1]) + y * ((1 - x) * near[2] + x * near[3])
    return (read / 255).view(seeds, n, SIDE, SIDE, 1)


def smooth(knots: int):
    """Return how much every pixel gets of the displacement of each knot, (knots * knots, 784)."""
    distance = (torch.arange(SIDE)[:, None] * (knots - 1) / (SIDE - 1) - torch.arange(knots)).abs()
    one = torch.where(distance < 1, (1 + torch.cos(math.pi * distance.clamp(max=1))) / 2, 0.0)
    return torch.kron(one, one).T.contiguous().to(DEVICE)


def fewer_pixels(side: int):
    """Return the matrix (side, 28) that resizes a line with a triangle filter."""
    factor = SIDE / side
    middle = (np.arange(side) + 0.5) * factor - 0.5
    weight = np.maximum(0, 1 - np.abs(np.arange(SIDE)[None] - middle[:, None]) / factor)
    return torch.from_numpy(weight / weight.sum(1, keepdims=True)).float().to(DEVICE)


# ------------------------------------------------------------------ training
def orthogonal(gradients):
    """Return gradients (seeds, rows, columns) made nearly orthogonal: Newton and Schulz's iteration, as in Muon."""
    x = gradients.to(torch.bfloat16) if DEVICE == "cuda" else gradients
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).to(x.dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    for _ in range(5):
        a = torch.bmm(x, x.transpose(1, 2))
        x = 3.4445 * x + torch.bmm(-4.7750 * a + 2.0315 * torch.bmm(a, a), x)
    return (x.transpose(1, 2) if tall else x).float()


class Trainer:
    """Trains the networks of all seeds; a step is captured once as a CUDA graph and replayed."""

    def __init__(self, training: Training, data: dict, teachers: Network | None = None):
        self.training, self.data, self.network = training, data, Network(training)
        self.teachers = [teachers.rolled(by) for by in (1, 2, 3)] if teachers is not None else []
        learned, self.held = rows_of(training, len(data["labels"]))
        self.learned = torch.from_numpy(learned).to(DEVICE)
        seeds, batch = training.seeds, training.batch
        self.momenta = torch.zeros_like(self.network.weights.data)
        self.rows = torch.zeros(seeds, batch, dtype=torch.long, device=DEVICE)
        self.maps = torch.zeros(seeds, batch, 6, device=DEVICE)
        self.rate, self.count = torch.zeros((), device=DEVICE), torch.zeros((), device=DEVICE)
        self.knots = smooth(5) if training.put_in == "elastic" else None
        self.bends = torch.zeros(seeds, batch, 50, device=DEVICE)
        self.boxes = torch.zeros(seeds, batch, 4, device=DEVICE)
        self.share = torch.ones(seeds, 1, 1, 1, 1, device=DEVICE)
        self.slow = self.network.weights.data.clone()
        self.small = fewer_pixels(20) if training.put_in == "growing" else None  # kept, as a captured step reads it
        self.followed = [self.network.weights.data, *(one for pair in self.network.statistics for one in pair)]
        self.averages = [one.clone() for one in self.followed] if training.put_in == "averaged" else []

    def images(self):
        """Return this step's images, after all that happens to them."""
        training, images = self.training, self.data["images"][self.rows]
        bent = None
        if self.knots is not None:
            bent = self.bends.view(*images.shape[:2], 2, -1) @ self.knots
        moved = training.warp or bent is not None
        images = warped(images, self.maps, bent) if moved else (images.float() / 255)[..., None]
        if training.put_in == "erased":
            line, box = torch.arange(SIDE, device=DEVICE) + 0.5, self.boxes[..., None]
            down, along = (((line >= box[:, :, i]) & (line < box[:, :, i + 2])) for i in (0, 1))
            images = images.masked_fill((down[..., :, None] & along[..., None, :])[..., None], 0.0)
        return self.share * images + (1 - self.share) * images.flip(1) if training.put_in == "mixed" else images

    def step(self, small=None) -> None:
        """Take one step of all networks; small: what makes images smaller."""
        training, network = self.training, self.network
        images, labels = self.images(), self.data["labels"][self.rows]
        if small is not None:
            images = torch.einsum("oi,kbijc,pj->kbopc", small, images, small)
        images = images.to(torch.bfloat16)
        logits = network.logits(images, train=True)
        log = functional.log_softmax(logits, -1)

        def loss_of(labels):
            right = -log.gather(2, labels[..., None])[..., 0]
            return ((1 - training.smoothing) * right - training.smoothing * log.mean(-1)).mean(1)

        loss = loss_of(labels)
        if training.put_in == "mixed":
            share = self.share.view(-1)
            loss = share * loss + (1 - share) * loss_of(labels.flip(1))
        if self.teachers:
            with torch.no_grad():
                taught = [functional.softmax(one.logits(images, train=False) / 2, -1) for one in self.teachers]
            like = -(sum(taught) / len(taught) * functional.log_softmax(logits / 2, -1)).sum(-1).mean(1)
            loss = 0.5 * loss + 0.5 * 4 * like
        (gradient,) = torch.autograd.grad(loss.sum(), network.weights)
        with torch.no_grad():
            gradient = gradient + training.decay * network.kernels * network.weights
            before = self.momenta.clone()
            self.momenta.mul_(0.9).sub_(self.rate * gradient)
            change = 0.9 * self.momenta - self.rate * gradient  # Nesterov's
            if training.put_in == "muon":
                self._turn(change, before, gradient)
            network.weights += change
            self._average()

    def _turn(self, change, before, gradient) -> None:
        """Put Muon's steps in the place of those of convolution kernels; its momentum of 0.6 is Jordan's."""
        for _, used in self.network.plan:
            place = used["kernel"]
            start = sum(self.network.sizes[:place])
            part = slice(start, start + self.network.sizes[place])
            self.momenta[:, part] = 0.6 * before[:, part] + gradient[:, part]
            ahead = gradient[:, part] + 0.6 * self.momenta[:, part]
            turned = orthogonal(ahead.view(-1, *self.network.shapes[place])).reshape(ahead.shape)
            change[:, part] = -self.rate * self.training.ratio * turned

    def _average(self) -> None:
        self.count += 1
        share = torch.maximum(torch.full_like(self.count, 0.002), 1 / self.count)
        for average, value in zip(self.averages, self.followed, strict=False):
            average += share * (value - average)

    def train(self) -> None:
        """Train all networks to the end."""
        training, batch = self.training, self.training.batch
        per_pass, n = self.learned.shape[1] // batch, self.learned.shape[1]
        dice = [torch.Generator(device=DEVICE).manual_seed(5000 + seed) for seed in range(training.seeds)]
        more = torch.Generator(device=DEVICE).manual_seed(1000)  # for what is put in
        graphs, total = {}, per_pass * training.passes
        for number in range(training.passes):
            growing = training.put_in == "growing" and (number + 1) / training.passes <= 0.5
            small = self.small if growing else None
            orders, maps = [], []
            for seed, rows in enumerate(self.learned):
                orders.append(rows[torch.randperm(n, device=DEVICE, generator=dice[seed])])
                maps.append(warps(per_pass * batch, dice[seed], training.warp))
            orders, maps = torch.stack(orders), torch.stack(maps)
            for i in range(per_pass):
                part = slice(i * batch, (i + 1) * batch)
                self.rows.copy_(orders[:, part])
                self.maps.copy_(maps[:, part])
                done = (number * per_pass + i + 0.5) / total
                shape = 1.0 if training.constant else done / 0.2 if done < 0.2 else (1 - done) / 0.8
                self.rate.fill_(training.rate * shape)
                self._draw(number, i, more)
                if DEVICE == "cuda" and number + i > 4:  # the first steps set up what a capture cannot
                    if growing not in graphs:
                        graphs[growing] = torch.cuda.CUDAGraph()
                        torch.cuda.synchronize()
                        with torch.cuda.graph(graphs[growing]):
                            self.step(small)
                    graphs[growing].replay()
                else:
                    self.step(small)
                if training.put_in == "lookahead" and (number * per_pass + i + 1) % 5 == 0:
                    self.slow.lerp_(self.network.weights.data, 0.5)
                    self.network.weights.data.copy_(self.slow)
        for average, value in zip(self.averages, self.followed, strict=False):
            value.copy_(average)

    def _draw(self, number, step, dice) -> None:
        put_in, (seeds, batch) = self.training.put_in, self.rows.shape
        if put_in == "elastic":
            self.bends.uniform_(-1.5, 1.5, generator=dice)
        elif put_in == "erased":
            sides = 3 + 6 * torch.rand(seeds, batch, 2, device=DEVICE, generator=dice)
            sides = sides * (torch.rand(seeds, batch, 1, device=DEVICE, generator=dice) < 0.5)
            corner = torch.rand(seeds, batch, 2, device=DEVICE, generator=dice) * (SIDE - sides)
            self.boxes.copy_(torch.cat([corner, corner + sides], -1))
        elif put_in == "mixed":
            shares = np.random.default_rng([number, step]).beta(0.2, 0.2, seeds)
            self.share.copy_(torch.from_numpy(shares).float().view(seeds, 1, 1, 1, 1))

    @torch.no_grad()
    def misread(self, views: dict[int, tuple]) -> dict[str, list[int]]:
        """Count the held-out images that each seed misreads, by number of views: (down, right, weight) of each."""
        held, labels = torch.from_numpy(self.held).to(DEVICE), self.data["labels"]
        wrong = dict.fromkeys(views, 0)
        for start in range(0, held.shape[1], 1000):
            rows = held[:, start : start + 1000]
            images = functional.pad(self.data["images"][rows].float() / 255, (2, 2, 2, 2))
            for number, asked in views.items():
                total = 0
                for down, right, weight in asked:
                    view = images[:, :, 2 + down : 2 + down + SIDE, 2 + right : 2 + right + SIDE, None]
                    total = total + weight * self.network.logits(view.to(torch.bfloat16), train=False)
                wrong[number] = wrong[number] + (total.argmax(-1) != labels[rows]).sum(1)
        return {f"misread {number}": counts.tolist() for number, counts in wrong.items()}


# ------------------------------------------------------------------ what is asked of it
def check() -> None:
    """Compare layers and their gradients with PyTorch's own, in float64; raise AssertionError where they differ."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 6, 2, dtype=torch.float64, requires_grad=True)

    def compare(ours, theirs, inputs):
        g = torch.randn_like(ours)
        pairs = zip(torch.autograd.grad(ours, inputs, g), torch.autograd.grad(theirs, inputs, g), strict=True)
        torch.testing.assert_close(ours, theirs)
        for one, other in pairs:
            torch.testing.assert_close(one, other)

    def each(function):
        """Put together what `function` gives for each seed, from channels first as PyTorch has them."""
        return torch.stack([function(k, x[k].permute(0, 3, 1, 2)).permute(0, 2, 3, 1) for k in range(2)])

    w, deep = (torch.randn(2, *shape, dtype=torch.float64, requires_grad=True) for shape in ((18, 4), (9, 2)))
    gamma, beta = (torch.randn(2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    conv2d = functional.conv2d
    for by in (0, 1):
        theirs = each(lambda k, one, by=by: conv2d(one, w[k].view(3, 3, 2, 4).permute(3, 2, 0, 1), padding=by))
        compare(Convolve.apply(x, w, 3, by), theirs, (x, w))
        kernels = deep.view(2, 3, 3, 2).permute(0, 3, 1, 2)[:, :, None]
        theirs = each(lambda k, one, by=by, kernels=kernels: conv2d(one, kernels[k], padding=by, groups=2))
        compare(Depthwise.apply(x, deep, 3, by), theirs, (x, deep))
    theirs = each(lambda k, one: functional.batch_norm(one, None, None, gamma[k], beta[k], True, 0.1, 1e-5).relu())
    compare(Normalise.apply(x, gamma, beta, True)[0], theirs, (x, gamma, beta))
    theirs = each(lambda k, one: functional.batch_norm(one, None, None, gamma[k], beta[k], True, 0.1, 1e-5))
    compare(Normalise.apply(x, gamma, beta, False)[0], theirs, (x, gamma, beta))
    compare(pooled(x), each(lambda k, one: functional.max_pool2d(one, 2)), (x,))
    x = torch.randn(2, 32, 30, 30, 1, dtype=torch.float64, requires_grad=True)  # many: gradients are summed in parts
    w = torch.randn(2, 25, 4, dtype=torch.float64, requires_grad=True)
    theirs = each(lambda k, one: conv2d(one, w[k].view(5, 5, 1, 4).permute(3, 2, 0, 1)))
    compare(Convolve.apply(x, w, 5, 0), theirs, (x, w))
    print("Convolutions, normalization, pooling and their gradients are PyTorch's.")


def run(part: str, only: str, seeds: int | None, path: Path, data: dict) -> None:
    """Train what `part` lists and put it into the record at `path`, which is written after each."""
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"parts": {}}
    device = torch.cuda.get_device_name() if DEVICE == "cuda" else "a processor"
    teachers = None
    for name, training in PARTS[part].items():
        if only and only not in name:
            continue
        training = replace(training, seeds=seeds) if seeds else training
        if training.put_in == "distilled" and teachers is None:
            print(f"{name}: left out, as its teachers (no label smoothing) were not trained before it")
            continue
        clock = time.time()
        trainer = Trainer(training, data, teachers if training.put_in == "distilled" else None)
        trainer.train()
        found = trainer.misread(VIEWS | (MORE_VIEWS if name == "final recipe" else {}))
        teachers = trainer.network if name == "no label smoothing" else teachers
        about = {
            "device": device,
            "finished": datetime.now(UTC).date().isoformat(),
            "passes": training.passes,
            "warp": training.warp,
            "smoothing": training.smoothing,
        }
        about |= {"weights": trainer.network.parameters, "held out": trainer.held.shape[1], **found}
        record["parts"].setdefault(part, {})[name] = about
        mean = 1 - np.mean(found["misread 5"]) / trainer.held.shape[1]
        print(f"{name}: {mean:.3%} in five views, {training.seeds} seeds, {time.time() - clock:.1f} s", flush=True)
        path.write_text(written(record), encoding="utf-8")


def written(record: dict) -> str:
    """Return the record as JSON with one line for the counts of all seeds."""
    lines = json.dumps(record, indent=1, ensure_ascii=False)
    return (
        re.sub(r"\[[^\[\]]*\]", lambda one: " ".join(one[0].split()).replace("[ ", "[").replace(" ]", "]"), lines)
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to train")
    parser.add_argument("--check", action="store_true", help="compare the layers with PyTorch's own, and train nothing")
    parser.add_argument("--only", default="", help="trainings whose name contains this")
    parser.add_argument("--seeds", type=int, help="seeds of each (default 20, or 12 of makes)")
    parser.add_argument(
        "--record", type=Path, default=RECORD, help="where to keep what comes out (default beside this)"
    )
    arguments = parser.parse_args()
    if (arguments.only or arguments.seeds) and arguments.record == RECORD:
        parser.error("--record: needed with --only or --seeds; the committed record is of whole parts")
    if arguments.check:
        check()
        return
    torch.backends.cuda.matmul.allow_tf32 = True
    data = mnist()
    for part in arguments.parts:
        run(part, arguments.only, arguments.seeds, arguments.record, data)


if __name__ == "__main__":
    main()
