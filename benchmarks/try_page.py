"""How fast reports/try.html answers, in Chromium: after loading, and after each movement of a stroke.

    .venv/bin/python benchmarks/try_page.py            # 10 visits, each in a fresh browser; about 20 seconds

"first answer" is the time from the parsed page to its first answer on the screen: unpacking the network, preparing an
example, reading it, showing it. "stroke" is the time that one reading takes while a digit is drawn with the mouse:
preparing, reading, comparing with known digits, showing. Every visit starts with scripts that were never compiled.
"""

import argparse
import math
import os

import pandas as pd
from playwright.sync_api import sync_playwright

from helpers.runtime import paths

PAGE = paths.REPORTS / "try.html"
DURATIONS = "name => performance.getEntriesByName(name).map(each => each.duration)"
POINTS = 60  # movements of the mouse in one stroke


def visit(driver, executable: str) -> tuple[float, list[float]]:
    """Open the page, draw a nought, return (first answer, readings) in milliseconds."""
    browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(PAGE.as_uri())
    (first,) = page.evaluate(DURATIONS, "digits:first")
    page.wait_for_timeout(500)  # a visitor takes longer to begin
    page.evaluate("performance.clearMeasures('digits:read')")
    paper = page.locator("#paper").bounding_box()
    for i in range(POINTS + 1):
        angle = 2 * math.pi * i / POINTS
        x = paper["x"] + paper["width"] * (0.5 + 0.2 * math.sin(angle))
        y = paper["y"] + paper["height"] * (0.5 - 0.33 * math.cos(angle))
        page.mouse.move(x, y)
        if not i:
            page.mouse.down()
    page.mouse.up()
    readings = page.evaluate(DURATIONS, "digits:read")
    assert page.inner_text("#digit") == "0", "the work was not done"
    browser.close()
    return first, readings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=10)
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "chromium"), help="path or name")
    options = parser.parse_args()
    firsts, strokes, openings = [], [], []
    with sync_playwright() as driver:
        for _ in range(options.visits):
            first, readings = visit(driver, options.chromium)
            firsts.append(first)
            openings.append(readings[0])
            strokes += readings[1:]
    rows = {"first answer": firsts, "stroke, its first reading": openings, "stroke, all others": strokes}
    table = pd.DataFrame(
        {
            name: {"n": len(ms), "median ms": pd.Series(ms).median(), "worst ms": max(ms), "fastest ms": min(ms)}
            for name, ms in rows.items()
        }
    ).T
    parts = [PAGE, *(PAGE.parent / "assets" / "try").glob("*")]
    print(f"{options.visits} visits; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"page {PAGE.stat().st_size:,} bytes, with its scripts {sum(part.stat().st_size for part in parts):,}")
    print(table.round(1).to_string())


if __name__ == "__main__":
    main()
