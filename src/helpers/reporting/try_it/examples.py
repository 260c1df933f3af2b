"""The digits that a visitor of try.html can pick, and the known ones that a drawing is compared with."""

import base64

import numpy as np

from helpers.data import load
from helpers.data.pictures import preparing

# Positions among MNIST's test images and among scikit-learn's small digits: plain ones first, then such as people
# hesitate over. Chosen by eye among those that the network reads well and badly.
MNIST = (0, 4, 61, 321, 582, 659, 947, 1014, 2035, 2130, 3062, 9729)
SMALL = (0, 2, 27, 1038, 1288)
KNOWN_PER_CLASS = 40


def examples() -> list[dict]:
    """Return what the page offers: {"from", "label", "side", "pixels"}; pixels are uint8 in base64, as stored.

    Small digits hold 0 to 16 of ink; the page is told so, and scales them as `helpers.predict` does.
    """
    test, small = load.load_mnist().test, load.load_digits_8x8()
    return [
        {
            "from": f"{name} {i}",
            "label": int(source.labels[i]),
            "side": int(source.images.shape[1]),
            "top": top,
            "pixels": base64.b64encode(source.images[i].tobytes()).decode("ascii"),
        }
        for name, source, rows, top in (("MNIST test", test, MNIST, 255), ("8 × 8", small, SMALL, 16))
        for i in rows
    ]


def known() -> dict:
    """Return MNIST training digits as the network sees them: {"labels", "pixels"}, 16 greys, two pixels a byte.

    The first of each class: any would do, and these need no choosing.
    """
    train = load.load_mnist().train
    rows = np.sort(np.concatenate([np.flatnonzero(train.labels == digit)[:KNOWN_PER_CLASS] for digit in range(10)]))
    images = np.stack([preparing.prepare(train.images[i].astype(np.float32)).image for i in rows])
    greys = ((images.astype(np.uint16) * 15 + 127) // 255).astype(np.uint8).reshape(len(rows), -1, 2)
    return {
        "labels": "".join(str(label) for label in train.labels[rows]),
        "pixels": base64.b64encode((greys[..., 0] * 16 + greys[..., 1]).tobytes()).decode("ascii"),
    }
