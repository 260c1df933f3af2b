"""What all test files share: a headless Chromium where one is installed, and how `make test` divides the work."""

import os
import shutil

import pytest

# nbformat would otherwise compile a grammar that nobody needs, for over a second in every process (see there).
import helpers.reporting  # noqa: F401

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
    "tests/test_smoke.py": 250,
    "tests/test_browser.py": 110,
    "tests/test_build.py": 75,
    "tests/test_try_page_browser.py": 70,
    "tests/faults/test_kills.py": 60,
    "tests/test_training.py": 60,
    "tests/test_validation.py": 50,
    "tests/test_front_page_browser.py": 40,
    "tests/test_short_runs.py": 35,
    "tests/test_residual.py": 35,
    "tests/test_parallel.py": 30,
    "tests/test_study.py": 20,
    "tests/test_predict.py": 20,
    "tests/test_atlas.py": 15,
    "tests/test_run_records.py": 12,
    "tests/faults/test_hostile.py": 12,
    "tests/faults/test_disk.py": 10,
    "tests/test_sweeps.py": 10,
    "tests/test_corruptions.py": 10,
    "tests/test_models.py": 8,
    "tests/test_predict_ship.py": 8,
    "tests/test_ladder.py": 8,
}
# One process for all pages from disk, so that what one has compiled serves the next; and no imitation of a graphics
# card, which is slower than drawing without one.
FLAGS = ("--no-sandbox", "--process-per-site", "--disable-gpu", "--disable-software-rasterizer")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_chromium() -> str | None:
    """Return the path of an installed Chromium: $CHROMIUM, or the first of the usual names."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)


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
