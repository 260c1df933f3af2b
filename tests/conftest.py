"""Fixtures that several test files share: a headless Chromium where one is installed."""

import os
import shutil

import pytest

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
        running = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield running
        running.close()


def pytest_make_parametrize_id(val):
    """Name bytes by their length: their content can hold a time stamp, and then no two workers agree on the name."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
