"""Report 02 run on small numbers in JupyterLab itself: captions, its light and dark theme, links, no complaint."""

import base64
import io
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
import yaml
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from PIL import Image
from test_pages import contrast

from helpers.reporting.page import prose, render
from helpers.runtime import paths, sources

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SLUG = "02_svm_sklearn_digits"
SETTINGS = {
    "apputils-extension/themes": {"theme": "JupyterLab Light"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are there to be looked at
}
RUN = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await app.commands.execute('notebook:run-all-cells');
  return panel.content.widgets.flatMap(cell => cell.model.toJSON().outputs || []);
}"""
SHOWN = "[...document.querySelectorAll('.jp-OutputArea')].map(each => each.innerText).join('\\n')"
# Ink and ground of what is written in each chart.
INKS = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(chart => chart.querySelector('text')).flatMap(
  chart => [...chart.querySelectorAll('.xtick text, .ytick text, .g-xtitle text, .g-ytitle text, .legendtext')].map(
    text => [getComputedStyle(text).fill, getComputedStyle(chart.querySelector('svg.main-svg')).backgroundColor]))"""
DRAWN = """n => [...document.querySelectorAll('.jp-OutputArea .js-plotly-plot svg.main-svg:first-child')].filter(
  drawing => drawing.getBoundingClientRect().height > 100).length === n"""
# Every picture with what is painted beneath it.
PICTURES = """() => [...document.querySelectorAll('.jp-RenderedImage img')].map(picture => {
  let below = picture;
  while (/, 0\\)$/.test(getComputedStyle(below).backgroundColor)) below = below.parentElement;
  return [getComputedStyle(below).backgroundColor, picture.src];
})"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab of its own, whose notebooks are ours, 02 with the parameters of the smoke profile."""
    root = tmp_path_factory.mktemp("lab")
    home, token = root / "home", secrets.token_hex(12)
    for name, said in SETTINGS.items():
        extension, _, plugin = name.partition("/")
        folder = home / "settings" / "@jupyterlab" / extension
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(said), encoding="utf-8")
    shutil.copytree(paths.NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for name in ("data", "requirements.lock"):
        (root / name).symlink_to(paths.ROOT / name)
    (root / "reports").mkdir()
    (root / "reports" / "results").symlink_to(paths.RESULTS)
    book = load_notebook_node(str(paths.NOTEBOOKS / f"{SLUG}.ipynb"))
    given = yaml.safe_load((paths.PROFILES / "smoke" / f"{SLUG}.yaml").read_text(encoding="utf-8"))
    nbformat.write(parameterize_notebook(book, given), root / "notebooks" / f"{SLUG}.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "run",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "spaces",
        "IPYTHONDIR": home / "ipython",
        "PYTHONPATH": sources.PACKAGE.parent,
        "DIGITS_ROOT": root,
        "DIGITS_THREADS": "1",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    command += ["--expose-app-in-browser", f"--IdentityProvider.token={token}"]
    command += [f"--ServerApp.root_dir={root / 'notebooks'}"]
    environment = os.environ | {name: str(place) for name, place in places.items()}
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=root)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, home / "log")
        yield f"http://127.0.0.1:{port}/lab/tree/{SLUG}.ipynb?token={token}"
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
            time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8"))


def test_a_report_is_run_and_read_in_jupyterlab(browser, lab):
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(240_000)
    complaints = []
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.goto(lab)
    page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()
    outputs = page.evaluate(RUN)
    assert [each["evalue"] for each in outputs if each["output_type"] == "error"] == []
    figures, tables = _check_captions(page, outputs)
    assert figures > 5, "charts and pictures"
    assert tables > 2
    charts = sum("application/vnd.plotly.v1+json" in each.get("data", {}) for each in outputs)
    for theme in ("Light", "Dark"):
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
        page.evaluate(change, f"JupyterLab {theme}")
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=f"JupyterLab {theme}")
        page.wait_for_function(DRAWN, arg=charts)  # a change of theme has them drawn again
        inks = page.evaluate(INKS)
        assert len(inks) > 20
        assert [pair for pair in inks if contrast(*pair) < 7] == []
        for ground, source in page.evaluate(PICTURES):
            below, ink = _ground_and_ink(source, ground)
            assert contrast(below, ink) > 7, f"{theme.lower()} theme: {below} under {ink}"
        if folder := os.environ.get("DIGITS_SCREENSHOTS"):
            page.locator(".js-plotly-plot").nth(1).scroll_into_view_if_needed()
            page.screenshot(path=Path(folder) / f"lab-{theme.lower()}.png")
    page.locator(".jp-RenderedMarkdown a[href*='01_eda.ipynb']").last.click()
    page.get_by_role("heading", name=render.title_of(nbformat.read(paths.NOTEBOOKS / "01_eda.ipynb", 4))).wait_for()
    assert complaints == []
    context.close()


def _check_captions(page, outputs: list[dict]) -> tuple[int, int]:
    """Check that every caption stands in words beneath its figure or over its table; return how many of each."""
    shown = " ".join(page.evaluate(SHOWN).split())
    captions = [
        each["data"]["text/markdown"] for each in outputs if each.get("metadata", {}).get("digits") == "caption"
    ]
    for caption in captions:
        assert _plain(prose.to_html(caption)[0]) in shown
    figures = [each for each in outputs if {"image/png", "application/vnd.plotly.v1+json"} & set(each.get("data", {}))]
    assert len(captions) == len(figures)
    tables = [html for each in outputs if "<caption>" in (html := "".join(each.get("data", {}).get("text/html", "")))]
    for table in tables:
        assert _plain(re.search(r"<caption>(.*?)</caption>", table)[1]) in shown
    return len(figures), len(tables)


def _plain(fragment: str) -> str:
    return prose.strip_tags(fragment)


def _ground_and_ink(source: str, ground: str) -> tuple[str, str]:
    """Return the commonest colour of a picture, given as a data: address, on a ground, and the one that is darkest."""
    picture = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).convert("RGBA")
    whole = Image.alpha_composite(Image.new("RGBA", picture.size, ground), picture).convert("RGB")
    colours = whole.getcolors(1 << 24)
    below, ink = max(colours)[1], min((colour for _, colour in colours), key=sum)
    return tuple(f"rgb({red}, {green}, {blue})" for red, green, blue in (below, ink))
