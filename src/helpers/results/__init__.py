"""Measured numbers with their intervals, saved per report and set beside the published claims."""

from helpers.results.report import *  # noqa: F403
