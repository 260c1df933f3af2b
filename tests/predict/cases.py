"""Pictures as people hand them in, made from MNIST's digits and from curves: kinds of input, each from a seed.

A kind takes a digit (uint8, 28 x 28) and a generator of random numbers and returns grey values, (h, w) in 0..255.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage


def scaled(image: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """Return an image of any scale at another size, float64."""
    picture = Image.fromarray(np.asarray(image, np.float32))
    return np.asarray(picture.resize((width or height, height), Image.Resampling.BICUBIC), float)


def ink(digit: np.ndarray, side: int) -> np.ndarray:
    """Return a digit's coverage, float64 (side, side) in 0..1."""
    return np.clip(scaled(digit, side) / 255, 0, 1)


def cut_out(digit: np.ndarray) -> np.ndarray:
    """Return the digit without its margins."""
    rows, columns = (np.flatnonzero(digit.max(axis=axis) > 60) for axis in (1, 0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def sheet(digit, rng, *, side=200):
    """Return a digit's coverage somewhere near the middle of a square sheet."""
    size = int(side * rng.uniform(0.4, 0.7))
    page = np.zeros((side, side))
    top, left = (int(side / 2 - size / 2 + rng.uniform(-0.1, 0.1) * side) for _ in range(2))
    page[top : top + size, left : left + size] = ink(digit, size)
    return page


def grain(page, rng, *, most=4.0):
    return page + rng.normal(0, rng.uniform(1, most), page.shape)


def _tight(digit, rng, *, side, bits):
    small = cut_out(digit)
    factor = side / max(small.shape)
    height, width = (max(6, round(length * factor)) for length in small.shape)
    page = 255 - np.clip(scaled(small, height, width), 0, 255)
    return 255.0 * (page > rng.uniform(90, 160)) if bits else page


def tight_bits(digit, rng):
    """Cut out to the ink, black and white."""
    return _tight(digit, rng, side=int(rng.integers(24, 130)), bits=True)


def tight_grey(digit, rng):
    return _tight(digit, rng, side=int(rng.integers(16, 130)), bits=False)


def tight_thin(digit, rng):
    """Cut out to the ink, a thin pen, black and white, touching every side."""
    page = ndimage.gaussian_filter(ink(digit, 168), 2.0)
    depth = ndimage.distance_transform_edt(page > 0.45)
    ridge = (depth > 0) & (depth >= ndimage.maximum_filter(depth, 5) - 0.6)
    line = ndimage.binary_dilation(ridge, iterations=int(rng.integers(2, 5)))
    return 255.0 - cut_out(np.uint8(255 * line))


def tight_square(digit, rng):
    """Cut out and stretched to a square, black and white."""
    return 255.0 * (255 - scaled(cut_out(digit), int(rng.integers(28, 80))) > 128)


def shadow(digit, rng, *, side=200):
    rows, columns = np.indices((side, side)) / side - 0.5
    turn = rng.uniform(0, 2 * np.pi)
    place = np.cos(turn) * columns + np.sin(turn) * rows + rng.uniform(-0.2, 0.2)
    light = 1 - rng.uniform(0.2, 0.55) / (1 + np.exp(-place / rng.uniform(0.03, 0.3)))
    return grain(rng.uniform(190, 240) * light * (1 - rng.uniform(0.5, 0.8) * sheet(digit, rng, side=side)), rng)


def small_shadow(digit, rng):
    """The same, shrunk to 28 pixels by hand."""
    return scaled(np.clip(shadow(digit, rng), 0, 255), 28)


def table(digit, rng):
    """The dark edge of a table along one or two sides of a photo, straight or slanted."""
    page = 215 * (1 - rng.uniform(0.5, 0.8) * sheet(digit, rng))
    rows, columns = np.indices(page.shape) / len(page)
    dark = np.zeros(page.shape, bool)
    for _ in range(int(rng.integers(1, 3))):
        across, along = [(rows, columns), (1 - rows, columns), (columns, rows), (1 - columns, rows)][rng.integers(4)]
        dark |= across < rng.uniform(0.03, 0.12) + rng.uniform(-0.06, 0.06) * along
    page[dark] = rng.uniform(20, 120)
    return grain(page, rng)


def spiral(digit, rng):
    """A spiral's holes along one side."""
    turns = int(rng.integers(4))
    page = np.rot90(225 * (1 - 0.75 * sheet(digit, rng)), turns).copy()
    step = int(rng.integers(10, 22))
    for place in range(int(rng.integers(0, step)), 200, step):
        page[int(rng.integers(2, 5)) : 14, place : place + step // 2] = rng.uniform(40, 90)
    return grain(np.rot90(page, -turns), rng)


def _ruled(digit, rng, *, both, slant=0.0, line=(0.2, 0.4), pen=(0.6, 0.85)):
    page = sheet(digit, rng)
    lines = np.zeros(page.shape)
    rows, columns = np.indices(page.shape)
    step, lean, thick = rng.uniform(18, 60), np.tan(np.radians(slant)), rng.uniform(1.0, 2.6)
    for across, along, wanted in ((rows, columns, True), (columns, -rows, both)):
        place = (across + lean * along + rng.uniform(0, step)) % step
        lines = np.maximum(lines, wanted * np.clip(thick / 2 + 0.5 - np.abs(place - step / 2), 0, 1))
    covered = np.maximum(rng.uniform(*line) * lines, rng.uniform(*pen) * page)
    return grain(235 * (1 - covered), rng, most=3)


def ruled(digit, rng):
    return _ruled(digit, rng, both=False)


def squared(digit, rng):
    return _ruled(digit, rng, both=True)


def squared_askew(digit, rng):
    """Squared paper, photographed a little askew."""
    return _ruled(digit, rng, both=True, slant=rng.uniform(-5, 5))


def pencil_on_squares(digit, rng):
    """A pencil no darker than the squares."""
    return _ruled(digit, rng, both=True, slant=rng.uniform(-2, 2), line=(0.25, 0.4), pen=(0.4, 0.5))


def shadow_on_squares(digit, rng):
    rows, columns = np.indices((200, 200)) / 200
    light = 1 - rng.uniform(0.1, 0.5) / (
        1 + np.exp(-(columns + rows * rng.uniform(-1, 1) - 0.5) / rng.uniform(0.05, 0.3))
    )
    return squared_askew(digit, rng) * light


def cell(digit, rng):
    """A form's cell: a frame near the edge or upon it."""
    side = int(rng.choice([40, 64, 90, 112, 160]))
    size = int(side * rng.uniform(0.6, 0.8))
    page = np.zeros((side, side))
    start = (side - size) // 2
    page[start : start + size, start : start + size] = ink(digit, size)
    picture = Image.fromarray(np.uint8(255 * (1 - page)))
    gap, width = int(rng.choice([0, 0, 1, side // 16])), int(rng.integers(1, 2 + side // 40))
    box = [gap, gap, side - 1 - gap, side - 1 - gap]
    ImageDraw.Draw(picture).rectangle(box, outline=int(rng.integers(0, 130)), width=width)
    return np.asarray(picture, float)


def light_on_dark_cell(digit, rng):
    return 255 - cell(digit, rng)


def underlined(digit, rng):
    """A line of a form below the digit, or under its foot."""
    page = 230 * (1 - 0.8 * sheet(digit, rng))
    place = int(rng.uniform(0.72, 0.9) * 200)
    page[place : place + int(rng.integers(2, 5))] = 40
    return grain(page, rng)


def neighbour(digit, rng):
    """Parts of another digit at the edge."""
    page = sheet(digit, rng)
    other = ndimage.rotate(ink(digit, 130), rng.uniform(-20, 20), reshape=False, order=1)
    page[30:160, :24] = np.maximum(page[30:160, :24], other[:, 80:104])
    return grain(235 * (1 - 0.8 * page), rng)


def drawing(digit, rng):
    """Drawn with a mouse: thick strokes of one tone on a large white sheet, not in the middle."""
    page = np.zeros((280, 280))
    size = int(rng.uniform(120, 230))
    top, left = rng.integers(0, 280 - size, 2)
    page[top : top + size, left : left + size] = ink(digit, size)
    return 255.0 - 255.0 * (ndimage.grey_dilation(page, size=int(rng.integers(1, 10))) > 0.5)


def scan_16(digit, rng):
    """A postal scan: 16 pixels, grey, to the very ink."""
    small = cut_out(digit)
    height, width = (max(3, round(length * 16 / max(small.shape))) for length in small.shape)
    page = np.zeros((16, 16))
    left = (16 - width) // 2
    page[:height, left : left + width] = np.asarray(
        Image.fromarray(small).resize((width, height), Image.Resampling.BOX)
    )
    return page


KINDS: dict[str, Callable] = {
    kind.__name__: kind
    for kind in (
        tight_bits, tight_grey, tight_thin, tight_square, shadow, small_shadow, table, spiral, ruled, squared,
        squared_askew, pencil_on_squares, shadow_on_squares, cell, light_on_dark_cell, underlined, neighbour,
        drawing, scan_16,
    )
}  # fmt: skip


def two_digits(first, second, rng):
    """Two digits side by side, touching or not."""
    width = int(rng.integers(190, 235))
    page = np.zeros((140, width))
    page[14:126, 4:116] = ink(first, 112)
    page[14:126, width - 126 : width - 14] = np.maximum(page[14:126, width - 126 : width - 14], ink(second, 112))
    return 255 * (1 - page)


def dot(rng):
    picture = Image.new("L", (200, 200), 255)
    x, y, r = *rng.integers(60, 140, 2), rng.uniform(3, 14)
    ImageDraw.Draw(picture).ellipse([x - r, y - r * rng.uniform(0.8, 1.2), x + r, y + r], fill=0)
    return np.asarray(picture, float)


def strokes(lines, rng, *, width=10, side=200):
    """Draw lines with a pen of round tip, dark on white."""
    picture = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(picture)
    for line in lines:
        points = [tuple(np.array(point) + rng.normal(0, 1, 2)) for point in line]
        draw.line(points, fill=0, width=width, joint="curve")
        for x, y in points:
            draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=0)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8)), float)


LETTERS = "ACDEFGHJKLMNPQRTUVWXYabcdefhkmnprstuvwxy?&%#@!=+"  # none that a digit looks like


def letter(rng):
    """A printed letter or sign."""
    picture = Image.new("L", (120, 120), 255)
    font = ImageFont.load_default(size=int(rng.integers(50, 95)))
    ImageDraw.Draw(picture).text((60, 60), LETTERS[rng.integers(len(LETTERS))], fill=0, font=font, anchor="mm")
    return np.asarray(picture.rotate(rng.uniform(-10, 10), fillcolor=255, resample=Image.Resampling.BILINEAR), float)


def scribble(rng):
    """A line that wanders."""
    points = 100 + np.cumsum(rng.normal(0, 28, (int(rng.integers(8, 30)), 2)), axis=0)
    points = 100 + (points - points.mean(axis=0)) * (70 / np.abs(points - points.mean(axis=0)).max())
    return strokes([points], rng, width=int(rng.integers(3, 10)))


def smiley(rng):
    turn = np.linspace(0, 2 * np.pi, 40)
    face = [(100 + 70 * np.cos(t), 100 + 70 * np.sin(t)) for t in turn]
    mouth = [(100 + 40 * np.cos(t), 105 + 35 * np.sin(t)) for t in np.linspace(0.2, np.pi - 0.2, 12)]
    eyes = [[(75 + 50 * k, 75), (75 + 50 * k, 80 + rng.uniform(0, 8))] for k in (0, 1)]
    return strokes([face, mouth, *eyes], rng, width=int(rng.integers(4, 10)))


def cross(rng):
    """A cross, a plus, a tick or an arrow."""
    reach = rng.uniform(40, 70)
    a, b = 100 - reach, 100 + reach
    lines = [
        [[(a, a), (b, b)], [(b, a), (a, b)]],
        [[(a, 100), (b, 100)], [(100, a), (100, b)]],
        [[(a, 100), (90, b), (b, a)]],
        [[(a, 100), (b, 100)], [(b - 25, 75), (b, 100), (b - 25, 125)]],
    ][rng.integers(4)]
    return strokes(lines, rng, width=int(rng.integers(4, 14)))


def blank(rng):
    """A sheet with nothing on it but light and grain."""
    rows, columns = np.indices((160, 160)) / 160
    return np.clip(grain(220 + 40 * rng.uniform(-1, 1) * rows + 40 * rng.uniform(-1, 1) * columns, rng), 0, 255)


NON_DIGITS: dict[str, Callable] = {
    kind.__name__: kind for kind in (letter, scribble, smiley, cross, blank, dot)
}  # each of a generator of random numbers
