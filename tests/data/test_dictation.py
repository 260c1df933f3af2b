"""Forms are found where a made-up file has them, and where the small digits show the dictated jumble."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from helpers.data import dictation


def test_forms_are_found_in_a_made_up_file():
    mixed = [0, 9, 5, 5, 6, 5, 0, 9, 8, 9, 8, 4, 1, 7, 7, 3] * 4
    form = [*range(10)] * 3 + mixed
    labels = form + form[:20] + form[22:] + form[1:]  # images missing in the middle and at the beginning
    expected = [0] * len(form) + [1] * (len(form) - 2) + [2] * (len(form) - 1)
    assert dictation.find_forms(labels).tolist() == expected


def test_the_small_digits_are_fourteen_forms_of_the_asked_digits():
    labels = load_digits().target
    forms = dictation.find_forms(labels)
    assert len(np.unique(forms)) == 14
    assert np.all(np.diff(forms) >= 0)
    assert np.bincount(forms).min() > 110
    # The tail of every form, whose digits were asked for in one mixed order, begins with the same digits.
    for form in range(14):
        text = "".join(map(str, labels[forms == form]))
        assert "09556509898417735100" in text or "09556509898417735120" in text or "9556509898417735" in text


def test_what_is_no_list_of_labels_is_refused():
    with pytest.raises(ValueError, match="labels"):
        dictation.find_forms([[1, 2]])
