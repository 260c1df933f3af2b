"""Helpers that the notebooks import; see README.md for what each module is for."""
