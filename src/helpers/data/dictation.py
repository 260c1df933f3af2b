"""Who wrote what in the small digits, from the order in which their digits were dictated."""

import numpy as np


def find_forms(labels, *, shortest_run: int = 10, shortest_form: int = 60) -> np.ndarray:
    """Tell which images were written on one form, from the order of the labels alone; int64 (n,), from 0.

    Every writer was first asked for 0 1 2 ... 9 three times over and then for digits in a fixed mixed order.
    So a form begins where labels start to rise by one (9 to 0 included) for at least `shortest_run` images,
    at least `shortest_form` images after the form before it. A few images are missing from some forms.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) < 2:
        raise ValueError(f"labels: got shape {labels.shape}; one dimension with at least 2 entries is needed")
    rises = np.diff(labels) % 10 == 1
    starts = [0]
    place = 0
    while place < len(rises):
        end = place
        while end < len(rises) and rises[end]:
            end += 1
        if end - place + 1 >= shortest_run and place - starts[-1] >= shortest_form:
            starts.append(place)
        place = max(end, place + 1)
    return np.searchsorted(starts, np.arange(len(labels)), side="right") - 1
