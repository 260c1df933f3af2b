"""Helpers that the notebooks import; see README.md for what each module is for."""

import gc

# Python looks through all objects for abandoned cycles whenever 700 more are alive than before, and the modules and
# traced graphs of TensorFlow are millions that stay: that was a fifth of each start and a seventh of the smoke build
# (`benchmarks/collector.py`). Images and weights are not counted here; they go when nothing refers to them any more.
gc.set_threshold(100_000, 20, 20)
