"""What all test files share: a headless Chromium where one is installed, and how `make test` divides the work."""

import os

import pytest
from chromium import find_chromium

# nbformat would otherwise compile a grammar that nobody needs, for over a second in every process (see there).
import helpers.reporting  # noqa: F401

# `make test PYTHON=... ARGS=...` hands its variables down to every make that a test starts: not the tests' own.
for _name in [each for each in os.environ if each.startswith("MAKE") or each in ("MFLAGS", "PYTHON", "ARGS")]:
    del os.environ[_name]

# Several workers share the cores: each computes with its part of them, as do the processes that it starts. Set before
# NumPy and TensorFlow are imported, which read it once.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    _cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _threads = max(1, _cores // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    for _name in ("DIGITS_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, str(_threads))

# Seconds that whole files take, roughly; whatever is not named takes less. Workers begin with the longest (`make test`
# keeps xdist from putting those with most tests first), so that none is left alone with one at the end.
LONG_FILES = {
    "tests/notebooks/test_smoke.py": 250,
    "tests/browser/test_pages.py": 110,
    "tests/reporting/test_build.py": 75,
    "tests/browser/test_try_page_in_browser.py": 70,
    "tests/faults/test_kills.py": 60,
    "tests/training/test_fit.py": 60,
    "tests/training/test_cross_validation.py": 50,
    "tests/browser/test_front_page_in_browser.py": 40,
    "tests/browser/test_jupyterlab.py": 30,
    "tests/experiments/test_residual_network.py": 35,
    "tests/experiments/test_candidates.py": 25,
    "tests/training/test_parallel.py": 30,
    "tests/reporting/test_study.py": 20,
    "tests/predict/test_predict.py": 20,
    "tests/figures/test_atlas.py": 15,
    "tests/training/test_archive.py": 12,
    "tests/training/test_many_seeds.py": 12,
    "tests/faults/test_hostile.py": 12,
    "tests/faults/test_disk.py": 10,
    "tests/classical/test_validation_curves.py": 10,
    "tests/evaluation/test_corruptions.py": 10,
    "tests/models/test_architectures.py": 8,
    "tests/predict/test_ship.py": 8,
    "tests/experiments/test_ladder.py": 8,
}
# One process for all pages from disk, so that what one has compiled serves the next; and no imitation of a graphics
# card, which is slower than drawing without one.
FLAGS = ("--no-sandbox", "--process-per-site", "--disable-gpu", "--disable-software-rasterizer")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; the test is skipped, saying why, where there is none."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine (install chromium, or set CHROMIUM to its path)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=executable, args=[*FLAGS])
        yield running
        running.close()


def pytest_make_parametrize_id(val):
    """Name bytes by their length: their content can hold a time stamp, and then no two workers agree on the name."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -LONG_FILES.get(item.nodeid.split("::", 1)[0], 0))
