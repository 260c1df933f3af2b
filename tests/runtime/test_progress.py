"""Lines for whoever waits."""

import pytest

from helpers.runtime import progress


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (-1, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7809, "2 h 10 min"),
    ],
)
def test_a_duration_is_said_as_a_person_says_it(seconds, shown):
    assert progress.duration(seconds) == shown
