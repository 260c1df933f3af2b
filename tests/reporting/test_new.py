"""A new report begins with a notebook that builds as it is, and never with one that replaces another."""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from scratch import lend_data

from helpers.reporting import new
from helpers.reporting.run import parameters
from helpers.results import load
from helpers.runtime import paths


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A scratch project without notebooks; the real data and lock."""
    lend_data(tmp_path)
    for name, path in {"ROOT": ".", "NOTEBOOKS": "notebooks", "PROFILES": "profiles"}.items():
        monkeypatch.setattr(paths, name, tmp_path / path)
    (tmp_path / "requirements.lock").write_bytes((new.TEMPLATE.parents[3] / "requirements.lock").read_bytes())
    return tmp_path


def test_a_new_notebook_has_what_a_report_needs(root, capsys):
    assert new.main(["12_mine"]) == 0
    assert "notebooks/12_mine.ipynb" in capsys.readouterr().out
    notebook = nbformat.read(root / "notebooks/12_mine.ipynb", as_version=4)
    nbformat.validate(notebook)
    declared = parameters.declared(notebook)
    assert declared["seed"].annotation == "int"
    assert declared["profile"].default == "standard"
    text = "\n".join(cell.source for cell in notebook.cells)
    assert text.startswith("# 12_mine: ")
    assert 'results.save("12_mine"' in text
    assert "NAME" not in text


@pytest.mark.parametrize(
    "name", ["", "mine", "11", "11_Mine", "1_mine", "11_", "11-mine", "../12_mine", "12_mine.ipynb"]
)
def test_a_name_that_will_not_do_is_refused(root, capsys, name):
    assert new.main([name]) == 2
    assert "two digits and lower-case words are allowed" in capsys.readouterr().out
    assert not (root / "notebooks").exists()


def test_what_is_there_is_never_replaced(root, capsys):
    new.new("12_mine")
    written = root / "notebooks/12_mine.ipynb"
    written.write_text("mine")
    for name in ("12_mine", "12_other"):
        assert new.main([name]) == 2
        assert "there is 12_mine.ipynb" in capsys.readouterr().out
    assert written.read_text() == "mine"
    assert len(list((root / "notebooks").iterdir())) == 1


@pytest.mark.slow
def test_a_new_notebook_builds_in_both_profiles(root):
    new.new("01_mine")
    for profile, home in (("standard", "reports"), ("smoke", "build/smoke")):
        done = subprocess.run(
            [sys.executable, "-m", "helpers.reporting", "build", "--profile", profile],
            env=os.environ | {"DIGITS_ROOT": str(root)},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        page = (root / home / "01_mine.html").read_text(encoding="utf-8")
        assert "gamma" in page
        cells = "".join(re.findall(r'<details class="code".*?</details>', page, re.S))
        shown = re.sub(r"<[^>]+>", "", cells)
        assert "SVC(" in shown
        assert "results.save" not in shown, "cells that only save are not shown"
        found = load("01_mine", directory=root / home / "results")
        assert found.profile == profile
        assert all(row.value > 0.9 for row in found.rows)
