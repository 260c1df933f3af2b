"""Written forms and no digits that only the choice sees: other curves, another pen than those practised with.

Where `forms` holds splines, these are made of arcs and straight lines, by formulas: points in a box of 100 x 100, y
downwards. They stand for what national hands do that MNIST has little of.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Lines = list[list[tuple[float, float]]]


def _arc(x, y, across, down, start, end, n=24) -> list[tuple[float, float]]:
    """Return points of an ellipse about (x, y), from one angle to another, in degrees clockwise from the right."""
    turn = np.radians(np.linspace(start, end, n))
    return list(zip(x + across * np.cos(turn), y + down * np.sin(turn), strict=True))


def _slashed(r) -> Lines:
    wide, over = r.uniform(24, 46), r.uniform(-0.25, 0.15)
    return [
        _arc(50, 50, wide, 50, -80, 285),
        [(50 + wide * (1 + over), -50 * over), (50 - wide * (1 + over), 100 + 50 * over)],
    ]


def _ring(r) -> Lines:
    start = r.uniform(-150, -20)
    return [_arc(50, 50, r.uniform(22, 52), 50, start, start + r.uniform(335, 385))]


def _upstroke(r) -> Lines:
    angle, reach = np.radians(r.uniform(38, 68)), r.uniform(25, 95)
    return [[(60 - reach * np.cos(angle), reach * np.sin(angle)), (60, 0), (60 + r.uniform(-8, 4), 100)]]


def _upstroke_and_foot(r) -> Lines:
    half = r.uniform(14, 34)
    return [*_upstroke(r), [(58 - half, 100), (58 + half, 100)]]


def _one_between_serifs(r) -> Lines:
    half = r.uniform(14, 30)
    return [[(50 - half, r.uniform(2, 16)), (50, 0), (50, 100)], [(50 - half, 100), (50 + half, 100)]]


def _two_looped(r) -> Lines:
    top = _arc(48, 26, 30, 26, 190, 380)
    return [[*top, (20, 90), *_arc(20, 90, r.uniform(6, 13), 8, 90, 330, 10), (r.uniform(78, 96), 98)]]


def _two(r) -> Lines:
    return [[*_arc(48, 28, r.uniform(24, 34), 28, 195, 390), (16, 100), (r.uniform(74, 92), r.uniform(96, 103))]]


def _three_flat(r) -> Lines:
    return [[(r.uniform(10, 24), 2), (78, 1), (r.uniform(36, 46), 42), *_arc(46, 70, r.uniform(28, 38), 30, -70, 150)]]


def _three(r) -> Lines:
    return [[*_arc(46, 24, 26, 24, 205, 440), *_arc(46, 72, r.uniform(28, 38), 28, -80, 150)]]


def _bolt(r) -> Lines:
    lean, bar = r.uniform(8, 30), r.uniform(52, 66)
    return [
        [(40 + lean, 0), (r.uniform(8, 22), bar), (r.uniform(84, 100), bar - r.uniform(0, 10))],
        [(66 + lean / 3, r.uniform(28, 44)), (64, 100)],
    ]


def _bolt_in_one(r) -> Lines:
    bar = r.uniform(48, 60)
    return [
        [
            (r.uniform(36, 54), 0),
            (r.uniform(4, 18), bar),
            (r.uniform(72, 92), bar - r.uniform(4, 14)),
            (r.uniform(58, 70), 102),
        ]
    ]


def _four_rounded(r) -> Lines:
    """Down to the left, round the bottom and up to the right; the stem begins there and is hardly longer."""
    deep = r.uniform(66, 80)
    return [
        [(r.uniform(34, 52), 0), *_arc(44, deep - 14, r.uniform(26, 38), 16, 185, 30, 14), (84, r.uniform(28, 42))],
        [(84, r.uniform(26, 40)), (r.uniform(66, 78), r.uniform(96, 106))],
    ]


def _four_open(r) -> Lines:
    deep = r.uniform(40, 58)
    return [
        [(r.uniform(12, 30), 0), *_arc(50, deep, r.uniform(28, 38), 14, 180, 20, 14)],
        [(82, r.uniform(-4, 12)), (r.uniform(70, 82), 100)],
    ]


def _four_closed(r) -> Lines:
    bar = r.uniform(58, 72)
    return [[(66, 100), (66, 0), (r.uniform(0, 16), bar), (r.uniform(84, 100), bar)]]


def _five_apart(r) -> Lines:
    gap = r.uniform(0, 10)
    return [
        [(28, 6), (26, 44), *_arc(44, 68, r.uniform(28, 38), 30, -125, 140)],
        [(28 + gap, -gap), (r.uniform(76, 94), -gap - r.uniform(0, 6))],
    ]


def _six(r) -> Lines:
    return [[(r.uniform(58, 78), 0), *_arc(50, 68, r.uniform(24, 34), r.uniform(24, 32), 205, -175)]]


def _seven_crossed(r) -> Lines:
    bar, foot = r.uniform(40, 74), r.uniform(26, 52)
    middle = 86 + (foot - 86) * bar / 100
    return [
        [(r.uniform(6, 22), 0), (86, 0), (foot, 100)],
        [(middle - r.uniform(14, 28), bar + 3), (middle + r.uniform(14, 26), bar - 3)],
    ]


def _seven_serif(r) -> Lines:
    return [[(14, r.uniform(16, 30)), (14, 0), (84, 0), (r.uniform(30, 54), 100)]]


def _eight_circles(r) -> Lines:
    small, large = r.uniform(15, 24), r.uniform(22, 34)
    return [_arc(50, 23, small, 23, -90, 275), _arc(50, 73, large, 27, -90, 275)]


def _nine_curled(r) -> Lines:
    x = 78
    return [
        _arc(52, 26, 26, 26, -30, 330),
        [(x, 20), (x, 66), *_arc(50, 70, 28, r.uniform(24, 32), 0, r.uniform(110, 190))],
    ]


def _nine_hooked(r) -> Lines:
    """A small bowl, a long back, and a foot to the left that is flat."""
    wide, x = r.uniform(18, 26), 76
    return [
        _arc(x - wide, 20, wide, r.uniform(14, 20), -30, 330),
        [(x, 14), (x + r.uniform(0, 8), 62), (x - r.uniform(2, 12), 96), (r.uniform(10, 30), r.uniform(92, 102))],
    ]


def _nine_straight(r) -> Lines:
    return [_arc(50, 27, r.uniform(20, 28), 27, -20, 335), [(76, r.uniform(8, 24)), (r.uniform(56, 78), 100)]]


WRITTEN: tuple[tuple[int, Callable], ...] = (
    *((0, make) for make in (_ring, _slashed)),
    *((1, make) for make in (_upstroke, _upstroke_and_foot, _one_between_serifs)),
    *((2, make) for make in (_two, _two_looped)),
    *((3, make) for make in (_three, _three_flat)),
    *((4, make) for make in (_bolt, _bolt_in_one, _four_open, _four_rounded, _four_closed)),
    (5, _five_apart),
    (6, _six),
    *((7, make) for make in (_seven_crossed, _seven_serif)),
    (8, _eight_circles),
    *((9, make) for make in (_nine_curled, _nine_hooked, _nine_straight)),
)  # fmt: skip


def _tee(r) -> Lines:
    return [[(10, 0), (90, 0)], [(50, 0), (50, 100)]]


def _you(r) -> Lines:
    return [[(12, 0), *_arc(50, 60, 38, 40, 180, 0), (88, 0)]]


def _cue(r) -> Lines:
    return [_arc(50, 50, 48, 50, 0, 360), [(60, 70), (104, 108)]]


def _why(r) -> Lines:
    return [[(10, 0), (50, 50), (90, 0)], [(50, 50), (50, 100)]]


def _haitch(r) -> Lines:
    return [[(24, 0), (24, 100)], [(24, 60), *_arc(50, 60, 26, 20, 180, 360), (76, 100)]]


def _ell(r) -> Lines:
    return [[(20, 0), (20, 100), (r.uniform(70, 90), 100)]]


def _jay(r) -> Lines:
    return [[(30, 0), (90, 0)], [(64, 0), (64, 70), *_arc(40, 70, 24, 30, 0, 160)]]


def _ampersand(r) -> Lines:
    return [[(96, 96), (26, 26), *_arc(44, 20, 20, 20, 170, 360), (10, 74), *_arc(40, 76, 32, 24, 190, 0)]]


def _pea(r) -> Lines:
    return [[(20, 0), (20, 100)], [(20, 2), *_arc(44, 28, 36, 28, -80, 90), (20, 56)]]


def _cross_in_circle(r) -> Lines:
    return [_arc(50, 50, 50, 50, 0, 360), [(15, 15), (85, 85)], [(85, 15), (15, 85)]]


def _house(r) -> Lines:
    return [[(10, 100), (10, 40), (50, 0), (90, 40), (90, 100), (10, 100)], [(40, 100), (40, 65), (60, 65), (60, 100)]]


def _face(r) -> Lines:
    eyes = [_arc(x, 36, 4, 6, 0, 360) for x in (32, 68)]
    return [_arc(50, 50, 50, 50, 0, 360), *eyes, _arc(50, 55, 26, 22, 20, 160)]


def _waves(r) -> Lines:
    x = np.linspace(0, 100, 60)
    return [list(zip(x, 50 + r.uniform(10, 40) * np.sin(x * r.uniform(0.2, 0.5)), strict=True))]


def _back_and_forth(r) -> Lines:
    n = r.integers(6, 14)
    return [[(0 if i % 2 else 100, 100 * i / n + r.uniform(-6, 6)) for i in range(n)]]


def _two_strokes(r) -> Lines:
    return [[(30 + r.uniform(-5, 5), 0), (28, 100)], [(72 + r.uniform(-5, 5), 0), (70, 100)]]


def _equals(r) -> Lines:
    return [[(0, 30), (100, 28)], [(0, 70), (100, 68)]]


NO_DIGITS: tuple[Callable, ...] = (
    *(_tee, _you, _cue, _why, _haitch, _ell, _jay, _pea, _ampersand, _cross_in_circle, _house, _face, _waves),
    *(_back_and_forth, _two_strokes, _equals),
)


def picture(lines: Lines, rng: np.random.Generator, *, sheet: int = 120) -> np.ndarray:
    """Return lines written on a sheet, dark on light: float32 (sheet, sheet) grey values in 0..255."""
    points = [np.array(line) - 50 for line in lines]
    slant, angle, wide = (
        np.tan(np.radians(rng.uniform(-12, 24))),
        np.radians(rng.uniform(-7, 7)),
        rng.uniform(0.7, 1.15),
    )
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[wide, -slant], [0, 1]])
    points = [(line + rng.normal(0, 0.8, line.shape)) @ matrix.T for line in points]
    every = np.concatenate(points)
    scale = 2 * sheet * rng.uniform(0.4, 0.75) / np.ptp(every, axis=0).max()  # drawn at twice the size
    middle = (every.max(axis=0) + every.min(axis=0)) / 2
    width = max(2, round(100 * scale * np.exp(rng.uniform(np.log(0.04), np.log(0.17)))))
    image = Image.new("L", (2 * sheet, 2 * sheet), int(rng.uniform(215, 255)))
    pen, ink = ImageDraw.Draw(image), int(rng.uniform(0, 110))
    for line in points:
        path = [tuple(point) for point in (line - middle) * scale + sheet]
        pen.line(path, fill=ink, width=width, joint="curve")
        for x, y in (path[0], path[-1]):
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=ink)
    return np.asarray(image.filter(ImageFilter.BoxBlur(1)).reduce(2), np.float32)


def coarse(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a sheet at a fifth of its size or a little more, in black and white: float32 (h, w) of 0 and 255."""
    side = int(rng.integers(24, 41))
    small = np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BOX))
    return np.where(small < small.min() + 0.55 * np.ptp(small), 0, 255).astype(np.float32)


def cut_out(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a sheet cut out to the ink or two pixels less, 16 to 64 pixels long, black and white."""
    ink = _tight(grey)
    cut = rng.integers(0, 3, 4)
    ink = ink[cut[0] : len(ink) - cut[1], cut[2] : ink.shape[1] - cut[3]] if min(ink.shape) > 20 else ink
    side = np.exp(rng.uniform(np.log(16), np.log(64)))
    height, width = (max(6, round(length * side / max(ink.shape))) for length in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BOX))
    return np.where(small > rng.uniform(0.35, 0.55), 0, 255).astype(np.float32)


def counted(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a sheet cut out, 32 x 32 black and white, and counted in blocks of 4 x 4: float32 (8, 8), 255 full ink."""
    ink = _tight(grey)
    height, width = (max(1, round(32 * length / max(ink.shape))) for length in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BOX)) > rng.uniform(0.35, 0.55)
    bits = np.zeros((32, 32), np.float32)
    top, left = (32 - height) // 2, (32 - width) // 2
    bits[top : top + height, left : left + width] = small
    return bits.reshape(8, 4, 8, 4).mean(axis=(1, 3)) * np.float32(255)


def _tight(grey: np.ndarray) -> np.ndarray:
    ink = (grey < (grey.min() + grey.max()) / 2).astype(np.float32)
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


TREATMENTS: dict[str, tuple[Callable, ...]] = {  # what happens to every sheet, in turn
    "written strokes": (lambda grey, rng: grey, coarse),
    "written strokes, cut out": (cut_out,),
    "written strokes, 8 x 8": (counted,),
}


def written(n: int, *, seed: int, treatment: str = "written strokes") -> tuple[list[np.ndarray], np.ndarray]:
    """Return sheets with one written digit each under a treatment of TREATMENTS, and their labels int64 (n,).

    The digits are equally many, their forms take turns.
    """
    sheets, labels = [], np.arange(n) % 10
    for i, label in enumerate(labels):
        rng = np.random.default_rng([seed, i])
        own = [make for digit, make in WRITTEN if digit == label]
        grey = picture(own[i // 20 % len(own)](rng), rng)
        ways = TREATMENTS[treatment]
        sheets.append(ways[i // 10 % len(ways)](grey, rng))
    return sheets, labels


def no_digits(n: int, *, seed: int) -> list[np.ndarray]:
    """Return sheets with something on them that is no digit, every second one `coarse`."""
    sheets = []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        grey = picture(NO_DIGITS[i // 2 % len(NO_DIGITS)](rng), rng)
        sheets.append(coarse(grey, rng) if i % 2 else grey)
    return sheets
