"""Where a network looks: cover a patch of the image, ask again, and see how far the answer moves.

Occlusion asks the network itself and needs nothing of its inside, so it works alike for every model that gives scores.
The method is that of M. D. Zeiler and R. Fergus (2014), Visualizing and Understanding Convolutional Networks, ECCV.
"""

from collections.abc import Callable

import numpy as np

Scores = Callable[[np.ndarray], np.ndarray]  # uint8 images (n, h, w) -> scores (n, k), say logits


def covered(image: np.ndarray, *, size: int = 5, stride: int = 1, fill: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return copies of `image` (h, w) with one square each set to `fill`, and where the squares are.

    Squares are `size` pixels wide, `stride` apart, and reach over the edges by half their width, where they are cut
    off. Returns uint8 (m, h, w) and bool masks (m, h, w). Raises ValueError for a size that does not fit, or a stride
    that would leave pixels out.
    """
    height, width = image.shape
    if not 1 <= size <= min(height, width):
        raise ValueError(f"size: got {size!r}; allowed is 1 to {min(height, width)}")
    if not 1 <= stride <= size // 2 + 1:
        raise ValueError(f"stride: got {stride!r}; allowed is 1 to {size // 2 + 1}, so that no pixel is left out")
    rows, columns = np.arange(height), np.arange(width)
    reach = size // 2
    tops = np.arange(-reach, height - size + reach + 1, stride)
    lefts = np.arange(-reach, width - size + reach + 1, stride)
    in_rows = (rows >= tops[:, None]) & (rows < tops[:, None] + size)
    in_columns = (columns >= lefts[:, None]) & (columns < lefts[:, None] + size)
    masks = (in_rows[:, None, :, None] & in_columns[None, :, None, :]).reshape(-1, height, width)
    return np.where(masks, np.uint8(fill), image[None]).astype(np.uint8), masks


def occlusion(
    scores: Scores, images: np.ndarray, for_class, against=None, *, size: int = 5, stride: int = 1, fill: int = 0
) -> np.ndarray:
    """Map how much each place speaks for a class: float64 (n, h, w).

    scores: the model, say `lambda x: training.predict(model, x)`. images: uint8 (n, h, w). for_class, against: int
    (n,); the margin is score[for_class] - score[against], or the score itself without `against`. A pixel's value is
    the mean fall of the margin over the squares that cover it: above zero where what is there speaks for `for_class`.
    fill: 0 covers with paper, 255 with ink (then the map shows where *missing* ink speaks for the class). Raises
    ValueError for lengths that differ or squares that do not fit.
    """
    images, for_class = np.asarray(images), np.asarray(for_class)
    if images.ndim != 3 or len(for_class) != len(images) or (against is not None and len(against) != len(images)):
        raise ValueError(f"images {images.shape}, for_class {for_class.shape}: one class for each image is needed")
    maps = []
    for place, image in enumerate(images):
        copies, masks = covered(image, size=size, stride=stride, fill=fill)
        answers = np.asarray(scores(np.concatenate([image[None], copies])), dtype=np.float64)
        margin = answers[:, for_class[place]]
        margin = margin if against is None else margin - answers[:, against[place]]
        fall = margin[0] - margin[1:]
        weight = masks.reshape(len(masks), -1).astype(np.float64)
        maps.append((fall @ weight / weight.sum(axis=0)).reshape(image.shape))
    return np.stack(maps) if maps else np.zeros(images.shape)


def told_apart(scores: Scores, images_a: np.ndarray, images_b: np.ndarray, a: int, b: int, **how) -> tuple:
    """Return where a blot of ink makes digit a look like b, and where a gap makes b look like a.

    images_a, images_b: uint8 (n, h, w) of the two digits. Returns two arrays float64 (2, h, w), first for a, then for
    b: mean images, and mean occlusion maps (by ink for a, by paper for b). `how` goes to `occlusion`.
    """
    means, maps = [], []
    for images, own, other, fill in ((images_a, a, b, 255), (images_b, b, a, 0)):
        classes = (np.full(len(images), one) for one in (own, other))
        maps.append(occlusion(scores, images, *classes, fill=fill, **how).mean(axis=0))
        means.append(np.asarray(images, float).mean(axis=0))
    return np.stack(means), np.stack(maps)
