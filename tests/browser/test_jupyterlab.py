"""A notebook run in JupyterLab itself: figures in its light and dark theme, captions, links, no complaint."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from nbformat import write
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.runtime import sources

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CODE = """
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure

from helpers.figures import style

style.show(style.figure_layout(go.Figure(go.Bar(x=["a", "b"], y=[1, 2]))), alt="Bars.", caption="The chart's caption.")
figure = Figure(figsize=(3, 2))
figure.subplots().plot([1, 2])
style.show(figure, alt="A line.", caption="The picture's caption.")
style.table(pd.DataFrame({"share": [0.5]}), caption="The table's caption.")
"""


@pytest.fixture
def lab(tmp_path, request):
    """The address of a JupyterLab of its own, with a theme, that serves two notebooks."""
    home, served, token = tmp_path / "home", tmp_path / "served", secrets.token_hex(12)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": request.param}), encoding="utf-8")
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8"
    )
    served.mkdir()
    write(
        new_notebook(cells=[new_markdown_cell("# First\n\n[next](02_b.ipynb)"), new_code_cell(CODE)]),
        served / "01_a.ipynb",
    )
    write(new_notebook(cells=[new_markdown_cell("# Second")]), served / "02_b.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kinds = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "run",
        "IPYTHONDIR": "ipython",
    }
    environment = os.environ | {name: str(home / folder) for name, folder in kinds.items()}
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "spaces"),
    }
    environment |= {"PYTHONPATH": str(sources.PACKAGE.parent)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={served}"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=served)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, home / "log")
        yield f"http://127.0.0.1:{port}/lab/tree/01_a.ipynb?token={token}"
    finally:
        server.terminate()
        server.wait(60)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text(encoding="utf-8")
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text(encoding="utf-8"))


def _luminance(colour: str) -> float:
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("lab", ["JupyterLab Light", "JupyterLab Dark"], indirect=True, ids=["light", "dark"])
def test_a_notebook_is_run_and_read(browser, lab, request):
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    page = context.new_page()
    page.set_default_timeout(240_000)
    complaints = []
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.goto(lab)
    page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.get_by_text("The table's caption.").last.wait_for()
    page.locator(".jp-RenderedPlotly svg.main-svg, .js-plotly-plot svg.main-svg").first.wait_for()
    if folder := os.environ.get("DIGITS_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"lab-{request.node.callspec.id}.png")
    shown = page.locator(".jp-OutputArea").inner_text()
    for caption in ("The chart's caption.", "The picture's caption.", "The table's caption."):
        assert caption in shown
    ink = page.locator(".xtick text").first.evaluate("each => getComputedStyle(each).fill")
    ground = page.locator("svg.main-svg").first.evaluate("each => getComputedStyle(each).backgroundColor")
    assert (_luminance(ground) + 0.05) / (_luminance(ink) + 0.05) > 7
    picture = page.locator(".jp-RenderedImage img")
    under = picture.evaluate("each => getComputedStyle(each).backgroundColor")
    body = page.evaluate("getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor")
    # Transparent on Lab's own light ground, or laid on white.
    assert _luminance(under if not re.search(r", 0\)$", under) else body) > 0.8
    page.get_by_role("link", name="next", exact=True).click()
    page.get_by_role("heading", name="Second").wait_for()
    assert complaints == []
    context.close()
