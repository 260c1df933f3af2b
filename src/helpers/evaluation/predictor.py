"""Images in, probabilities out: one shape for a network, the mean of several, neighbours, a forest."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MEGABYTE = 1e6
NO_LABEL = -1  # the answer of a model that finds no class likely


@dataclass(frozen=True, eq=False)
class Predictor:
    """A finished model, called with images uint8 (n, h, w) for probabilities float (n, k).

    key: of the palette. answer: what is called. megabytes: of its file, or of what it keeps to answer. threshold: the
    confidence from which an answer is accepted; None for models that answer with a bare label (probability 1), where
    there is no confidence to go by. identity: JSON values that decide its answers, None where nobody wrote them down.
    model: what it is inside, for those who want to look.
    """

    key: str
    answer: Callable[[np.ndarray], np.ndarray]
    megabytes: float
    threshold: float | None = None
    identity: list | None = None
    model: object = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities of every class."""
        return self.answer(images)

    def labels(self, images: np.ndarray) -> np.ndarray:
        """Return the likeliest class of each image, int64 (n,); NO_LABEL where every probability is 0."""
        probabilities = self.answer(images)
        return np.where(probabilities.any(axis=1), probabilities.argmax(axis=1), NO_LABEL)


def labelling(key: str, labels: Callable[[np.ndarray], np.ndarray], model: object, *, n_classes: int = 10) -> Predictor:
    """Let a model that answers with labels (n,) answer with probabilities of 0 and 1, all 0 for NO_LABEL.

    model: something that knows its bytes, as an array does, or that pickles: its size is what it takes to answer.
    """
    size = model.nbytes if hasattr(model, "nbytes") else len(pickle.dumps(model))
    certain = np.vstack([np.eye(n_classes), np.zeros(n_classes)])  # the last row is that of NO_LABEL
    return Predictor(key, lambda images: certain[labels(images)], size / MEGABYTE, model=model)
