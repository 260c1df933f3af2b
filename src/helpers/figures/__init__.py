"""Figures: finished results in, a figure out. Nothing here fits a model or reads a file."""
