"""Measured numbers with their intervals, saved per report and set beside the published claims."""

from helpers.results.conditions import Conditions
from helpers.results.published import (
    Verdict,
    against_claims,
    claims,
    noted,
    noted_series,
    verdict,
    verdicts,
)
from helpers.results.report import Report, load, load_all, save
from helpers.results.rows import Row, accuracy_row, interval_row

__all__ = [
    "Conditions",
    "Report",
    "Row",
    "Verdict",
    "accuracy_row",
    "against_claims",
    "claims",
    "interval_row",
    "load",
    "load_all",
    "noted",
    "noted_series",
    "save",
    "verdict",
    "verdicts",
]
