"""What can go wrong while reports are made, provoked. Where each fault is proved:

| fault | proved in |
| --- | --- |
| kernel, build or make killed at random moments | test_kills.py; tests/training/test_fit.py (after every epoch) |
| a page half-written, two builds at once | test_disk.py |
| disk full, read-only reports/ | test_disk.py; tests/training/test_fit.py (the run store) |
| damaged store, state, results, data; clock set back | test_disk.py; tests/training/test_fit.py, test_datasets.py |
| set-up failed, interrupted, moved or copied; another Python | test_setup.py |
| a notebook that never ends, takes all memory, prints 100 MB | tests/reporting/test_build.py |
| markup in names, outputs and parameters | test_hostile.py; tests/browser/test_pages.py |
| bad YAML, unknown parameters | tests/reporting/test_parameters.py, test_build.py, test_study.py |
| pickles | test_hostile.py; tests/data/test_formats.py |

Starting a kernel costs seconds, so most of these run the notebook's cells in a forked process of the test instead:
what is killed, filled up or damaged is the same code that `make reports` runs.
"""

import contextlib
import json
import os
import signal
import sys

import nbformat
import pytest
from scratch import lend_data

from helpers.reporting import build
from helpers.reporting.run import execute
from helpers.reporting.run.terminal import Terminal
from helpers.runtime import paths

# A network in miniature on the project's own run store: eight epochs of softmax regression, resumed where it stopped.
TRAINING = """\
import json, time
import numpy as np
from helpers.runtime import paths
from helpers.runtime import run_store
entry = run_store.Entry(paths.RUNS, "toy")
rng = np.random.default_rng(seed)
x, y = rng.normal(size=(200, 16)), rng.integers(0, 4, 200)
with entry.lock():
    found = run_store.load_checkpoint(entry)
    epoch, state = found if found else (0, {"w": np.zeros((16, 4)), "losses": np.zeros(0)})
    for epoch in range(epoch, 8):
        rows = np.random.default_rng([seed, epoch]).permutation(200)[:64]
        odds = np.exp(x[rows] @ state["w"])
        p = odds / odds.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(64), y[rows]]).mean()
        w = state["w"] - 0.3 * x[rows].T @ (p - np.eye(4)[y[rows]])
        state = {"w": w, "losses": np.append(state["losses"], loss)}
        run_store.save_checkpoint(entry, epoch + 1, state)
        time.sleep(0.004)
print("loss", state["losses"][-1])"""
# Written by hand: importing helpers.results costs a kernel more than everything else these notebooks do.
RECORD = """\
row = dict(system="toy", split="all", metric="loss", value=float(state["losses"].sum()), n=200,
           note=np.abs(state["w"]).sum().hex())
report = dict(schema=1, notebook="01_one", profile=profile, seed=seed, question="?", answer="So.", rows=[row])
target = paths.results_directory() / "01_one.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps(report))"""


class Project:
    """A scratch project with one notebook, built in this process with forked kernels."""

    def __init__(self, root):
        self.root, self.page = root, root / "reports/01_one.html"
        self.results = root / "reports/results/01_one.json"

    def write_notebook(self, *sources, prose="Some prose.", slug="01_one"):
        cells = [
            nbformat.v4.new_markdown_cell(f"# A title\n\n{prose}"),
            nbformat.v4.new_code_cell('seed: int = 0\nprofile: str = "standard"', metadata={"tags": ["parameters"]}),
            *[nbformat.v4.new_code_cell(source) for source in sources or (TRAINING, RECORD)],
        ]
        for number, cell in enumerate(cells):
            cell.id = f"cell-{number}"
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(notebook, self.root / "notebooks" / f"{slug}.ipynb")

    def build(self, *, force=False):
        """Build in this process; return the exit status."""
        return build.build("standard", only=None, force=force, limits=execute.Limits(), terminal=Terminal())


def fork(work) -> int:
    """Run `work` in a forked process, whose exit status is what it returns, and 99 for an exception."""
    pid = os.fork()
    if pid:
        return pid
    status = 99
    try:
        status = work()
    except BaseException as error:  # nothing of pytest may go on in the child
        os.write(2, f"in a forked process: {error!r}\n".encode())
    finally:
        os._exit(status if isinstance(status, int) else 0)


def forked_kernel(source, output, *, parameters, results, limits, progress=None, environment=None, idle=None):
    """Stand in for `execute.run`: run the cells in a forked process, which can be killed like a kernel."""

    def cells():
        os.environ["DIGITS_RESULTS_DIR"] = str(results)
        notebook = nbformat.read(source, as_version=4)
        names: dict = {}
        for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
            exec(cell.source, names)
            cell.execution_count = number
        nbformat.write(notebook, output)
        return 0

    pid = fork(cells)
    if note := os.environ.get("KERNEL_PID_FILE"):
        with open(note, "w", encoding="utf-8") as stream:
            stream.write(str(pid))
    _, status = os.waitpid(pid, 0)
    if status == 0:
        return execute.Outcome(0.1)
    killed = os.WIFSIGNALED(status)
    return execute.Outcome(0.1, "the kernel died in cell 2 (killed, or out of memory)" if killed else "failed", 2)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A scratch project; the notebook in it trains in miniature."""
    places = {name: path for name, path in vars(paths).items() if name.isupper() and name != "DATA"}
    for name in ("DATA", "MNIST", "CLAIMS"):
        places.pop(name, None)
    for name, path in places.items():
        monkeypatch.setattr(paths, name, tmp_path / path.relative_to(places["ROOT"]))
    for name in ("notebooks", "profiles", "reports"):
        (tmp_path / name).mkdir()
    lend_data(tmp_path)
    (tmp_path / "requirements.lock").write_text("")
    monkeypatch.setattr(execute, "run", forked_kernel)
    made = Project(tmp_path)
    made.write_notebook()
    return made


def end(pid: int) -> int:
    """Kill a process that this test forked, if it still runs; return its wait status."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def whole(project) -> None:
    """Check that whatever lies in reports/ is whole: pages to their last line, JSON that can be read."""
    for path in project.root.glob("reports/**/*"):
        if path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>"), path
        elif path.suffix == ".json":
            json.loads(path.read_text())


linux = pytest.mark.skipif(sys.platform != "linux", reason="forks and mounts as Linux does")
