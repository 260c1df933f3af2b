"""All notebooks executed in the smoke profile, as `make smoke` does: the real builder, kernels and renderer."""

import json
import os
import subprocess
import sys

import pytest

from helpers.runtime import paths

NAMES = [path.stem for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Build all of them in a project that has nothing trained; return (its build/smoke, what was said, exit status)."""
    root = tmp_path_factory.mktemp("smoke")
    for name in ("benchmarks", "data", "notebooks", "profiles", "requirements.lock"):
        (root / name).symlink_to(paths.ROOT / name)
    (root / "reports").mkdir()
    if paths.RESULTS.is_dir():  # a later notebook may load what earlier ones found
        (root / "reports" / "results").symlink_to(paths.RESULTS)
    (root / "reports" / "model").symlink_to(paths.REPORTS / "model")
    command = [sys.executable, "-m", "helpers.reporting", "build", "--profile", "smoke", "--jobs", "2"]
    # One thread, and so no workers to start either: other tests have the rest (test_parallel.py has workers).
    environment = os.environ | {"DIGITS_ROOT": str(root), "DIGITS_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1700)
    return root / "build" / "smoke", done.stdout + done.stderr, done.returncode


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, smoke):
    """Results are schema-checked by the builder itself."""
    made, said, _ = smoke
    log, page = made / "logs" / f"{name}.log", made / f"{name}.html"
    assert page.exists(), said + (log.read_text() if log.exists() else "")
    assert json.loads((made / "results" / f"{name}.json").read_text())["profile"] == "smoke"
    text = page.read_text()
    assert len(text) < 1_500_000
    assert str(made.parent.parent) not in text
    assert "No description has been provided" not in text


def test_the_build_says_that_all_went_well(smoke):
    _, said, status = smoke
    assert f"{len(NAMES)} executed, {len(NAMES)} rendered, 0 already fresh, 0 failed" in said
    assert status == 0, said
