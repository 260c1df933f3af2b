"""From which confidence on an answer is accepted: chosen on held-out images."""

import numpy as np


def choose_threshold(confidence: np.ndarray, right: np.ndarray, *, wrong_share: float) -> float:
    """Return the lowest threshold above which at most `wrong_share` of the accepted held-out images are wrong.

    confidence: (n,), right: bool (n,). The image at the threshold is accepted. Returns 1 where none will do.
    """
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    share = wrong / np.arange(1, len(order) + 1)
    last_of_value = np.append(np.diff(confidence[order]) != 0, True)  # equal confidences are accepted together
    fine = np.flatnonzero((share <= wrong_share) & last_of_value)
    return float(confidence[order][fine[-1]]) if len(fine) else 1.0
