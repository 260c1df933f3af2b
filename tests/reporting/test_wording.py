"""Numbers as a reader meets them: each beside what it should read as, written by hand."""

import pytest

from helpers.reporting.page import wording


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.0, "p < 0.001"),
        (0.00099, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.0049, "p = 0.005"),
        (0.0094, "p = 0.009"),
        (0.0312, "p = 0.031"),
        (0.0949, "p = 0.095"),
        (0.0951, "p = 0.10"),
        (0.049, "p = 0.049"),
        (0.5, "p = 0.50"),
        (1.0, "p = 1.00"),
    ],
)
def test_a_p_value_is_never_made_smaller_than_it_is(p, said):
    assert wording.p_value(p) == said


@pytest.mark.parametrize(
    ("filter_", "given", "said"),
    [
        ("percent", (0.99685, 10_000), "99.69%"),
        ("percent", (0.9968, 999), "99.7%"),
        ("percent", (0.9968, 1000), "99.68%"),
        ("percent", (0.9968,), "99.68%"),
        ("percent", (None, 10), ""),
        ("interval", (0.9955, 0.9977, 10_000), "99.55 to 99.77"),
        ("interval", (0.95, 0.98, 540), "95.0 to 98.0"),
        ("interval", (None, 0.5, 540), ""),
        ("points", (0.0017,), "+0.17"),
        ("points", (-0.0017,), "−0.17"),
        ("points", (None,), ""),
        ("milliseconds", (0.212,), "0.21 ms"),
        ("milliseconds", (3.44,), "3.4 ms"),
        ("milliseconds", (9.96,), "10 ms"),
        ("milliseconds", (48.4,), "48 ms"),
        ("word", (0,), "No"),
        ("word", (12,), "Twelve"),
        ("word", (13,), "13"),
        ("word", (1797,), "1,797"),
        ("day", ("2026-11-21T14:00:00+00:00",), "21 November 2026"),
        ("day", ("2026-01-02",), "2 January 2026"),
        ("day", ("yesterday",), "yesterday"),
        ("day", (None,), ""),
        ("number", ("02_svm",), "02"),
        ("number", ("svm_02",), ""),
    ],
)
def test_a_number_reads_as_a_person_would_write_it(filter_, given, said):
    assert wording.FILTERS[filter_](*given) == said
