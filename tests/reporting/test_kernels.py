"""Kernels as a build starts them: where, with whose configuration, and what outlives them."""

import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import papermill.engines
import papermill.execute
import psutil
import pytest
from nbclient import NotebookClient
from scratch import lend_data

from helpers.reporting.run import environment, execute, worker
from helpers.runtime import paths

PERSONAL = {
    ".config/matplotlib/matplotlibrc": "figure.dpi: 30\n",
    ".matplotlib/matplotlibrc": "figure.dpi: 30\n",
    ".ipython/profile_default/startup/00.py": "leaked = 'a start-up file of IPython'\n",
    ".ipython/profile_default/ipython_config.py": "c.InteractiveShellApp.exec_lines = ['leaked_line = 1']\n",
    ".keras/keras.json": json.dumps({"floatx": "float16", "backend": "jax"}),
    "startup.py": "leaked_startup = 1\n",
}
VARIABLES = {
    "PYTHONSTARTUP": "startup.py",
    "MATPLOTLIBRC": ".config/matplotlib/matplotlibrc",
    "PYTHONOPTIMIZE": "1",
    "PYTHONWARNINGS": "error",
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_EPOCHS": "1",
    "SCIPY_ARRAY_API": "1",
    "MPLBACKEND": "svg",
}
CELLS = (
    "%matplotlib inline\n!echo from the shell\nprint?",
    "%%time\nmine = open('data/mine.txt').read()",
    """\
import json, os, sys
import matplotlib
from matplotlib import pyplot
assert matplotlib.rcParams["figure.dpi"] == matplotlib.rcParamsDefault["figure.dpi"] == 100
leaked = [name for name in globals() if name.startswith("leaked")]
told = {"dpi": pyplot.figure().dpi, "leaked": leaked, "optimize": sys.flags.optimize, "warnings": sys.warnoptions}
told |= {"keras": sorted(os.listdir(os.path.dirname(os.environ["KERAS_HOME"]))), "at": os.getcwd(), "mine": mine}
told |= {name: os.environ.get(name) for name in ("KERAS_BACKEND", "KERAS_MAX_EPOCHS", "SCIPY_ARRAY_API")}
print("TOLD" + json.dumps(told) + "END")""",
    """\
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp(sys.executable, [sys.executable, "-c", "import time; time.sleep(3600)"])
    os._exit(0)
os.wait()""",
)


@pytest.fixture
def root(tmp_path):
    """A scratch project of one notebook, and beside it the home of a person who has set up a lot."""
    root = tmp_path / "project"
    for name in ("notebooks", "reports"):
        (root / name).mkdir(parents=True)
    lend_data(root)
    (root / "data/mine.txt").write_text("a relative path")
    (root / "requirements.lock").write_text("")
    made = [nbformat.v4.new_markdown_cell("# A title"), *map(nbformat.v4.new_code_cell, CELLS)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), root / "notebooks/01_one.ipynb")
    for name, text in PERSONAL.items():
        (tmp_path / "home" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / name).write_text(text)
    return root


def test_a_kernel_that_stands_still_amid_its_start_is_waited_for(tmp_path, monkeypatch):
    """As long as another kernel may have the machine alone, which is more than the minute that papermill gives."""
    given = {}
    monkeypatch.setattr(worker, "_end_with_parent", lambda sockets: None)
    monkeypatch.setattr(worker, "tell", lambda event, **details: None)
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "a.ipynb")
    job = {"source": str(tmp_path / "a.ipynb"), "output": "", "parameters": {}, "cwd": "", "cell_timeout": 1}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(job) + "\n"))

    def execute_notebook(notebook, output, **settings):
        given.update(settings)
        return notebook

    monkeypatch.setattr(papermill.execute, "execute_notebook", execute_notebook)
    monkeypatch.setattr(papermill.execute, "raise_for_execution_errors", None)
    assert worker.main() == 0
    known = inspect.signature(papermill.engines.NBClientEngine.execute_managed_notebook).parameters
    assert "start_timeout" in known
    assert "iopub_timeout" in NotebookClient.class_trait_names()
    assert given["start_timeout"] == given["iopub_timeout"] == 3600


def test_the_sockets_of_a_kernel_go_with_it_though_it_was_killed(tmp_path, monkeypatch):
    short = Path(tempfile.mkdtemp(prefix="t-"))  # the path of a socket has at most some hundred letters
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    monkeypatch.setenv("TMPDIR", str(short))
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("while True: pass")]), tmp_path / "a.ipynb"
    )

    def progress(now):
        if any(short.glob("nb-*/*")):  # the kernel has opened them
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute.run(
            tmp_path / "a.ipynb", tmp_path / "b.ipynb", parameters={}, results=tmp_path / "results", progress=progress
        )
    assert not list(short.glob("nb-*"))
    shutil.rmtree(short)


def test_a_worker_that_has_done_all_and_does_not_end_is_an_error(monkeypatch):
    monkeypatch.setattr(execute, "_LAST", 0.1)
    for code, words in (("import time; time.sleep(600)", "had not ended 0 s later"), ("exit(3)", "with status 3")):
        process = subprocess.Popen([sys.executable, "-c", code])
        monkeypatch.setattr(execute, "_LAST", 0.1 if "sleep" in code else 300.0)
        try:
            assert words in execute._left_open(process)
        finally:
            process.kill()
            process.wait()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    assert execute._left_open(ended) is None


def test_only_files_of_the_root_are_noted_and_not_parts_of_other_paths(tmp_path):
    """Who removes a tree opens folders in folders, and says the last part of their names only."""
    (tmp_path / "there.csv").write_text("x")
    (tmp_path / "data").mkdir()
    code = "import os, shutil, sys\n"
    code += f"exec(compile(open({str(Path(execute.__file__).with_name('watch.py'))!r}).read(), 'watch', 'exec'))\n"
    code += "os.makedirs('tree/deep/data')\nshutil.rmtree('tree')\n"
    code += "try: open('later.csv')\nexcept OSError: pass\n"
    code += "os.close(os.open('there.csv', os.O_RDONLY))\nos.close(os.open('made.csv', os.O_WRONLY | os.O_CREAT))\n"
    notes = tmp_path.parent / f"{tmp_path.name}.opened"
    environment = os.environ | {"DIGITS_ROOT": str(tmp_path), "DIGITS_OPENED": str(notes)}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)
    assert sorted(notes.read_text().split("\n")) == ["", "r later.csv", "r there.csv", "w made.csv"]


@pytest.mark.slow
def test_seconds_that_a_notebook_waited_for_others_are_not_shown_as_its_own(tmp_path):
    cells = [nbformat.v4.new_code_cell("import time; time.sleep(2.5)")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "a.ipynb")
    shown, places = [], {"parameters": {}, "results": tmp_path / "results"}
    heard = {"progress": lambda now: shown.append(now.seconds), "idle": lambda pids: 1e6}
    outcome = execute.run(tmp_path / "a.ipynb", tmp_path / "out.ipynb", **places, **heard)
    assert outcome.error is None
    assert outcome.seconds < 0
    assert shown[-1] < 0, "as the seconds of its last run, beside which they are shown"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for what outlives a notebook as Linux shows it")
def test_a_kernel_starts_in_the_root_knows_no_person_and_leaves_no_process(root):
    home = root.parent / "home"
    variables = {name: str(home / value) if (home / value).exists() else value for name, value in VARIABLES.items()}
    command = [sys.executable, "-m", "helpers.reporting", "build"]
    environment = os.environ | variables | {"HOME": str(home), "DIGITS_ROOT": str(root), "PYTHONWARNINGS": "default"}
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    notebook = nbformat.read(root / "build/executed/01_one.ipynb", as_version=4)
    text = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "from the shell" in text
    assert "Wall time" in text
    told = json.loads(re.search("TOLD(.*)END", text)[1])
    assert told.pop("at") in (str(root), ""), "where papermill and make start, too"
    assert told == {
        "dpi": 100.0,
        "leaked": [],
        "optimize": 0,
        "warnings": [],
        "keras": ["ipython"],
        "mine": "a relative path",
        "KERAS_BACKEND": "tensorflow",
        "KERAS_MAX_EPOCHS": None,
        "SCIPY_ARRAY_API": None,
    }
    assert survivors(str(root)) == []


def survivors(root):
    """Return the processes whose environment speaks of a place."""
    found = []
    for process in psutil.process_iter():
        try:
            if root in process.environ().get(execute.MARK, ""):
                found.append(process.cmdline())
        except (psutil.Error, OSError):
            continue
    return found


def test_what_only_says_where_things_are_reaches_a_kernel(tmp_path, monkeypatch):
    kept = {"PYTHONPATH": "/mine", "PATH": "/bin", "HTTPS_PROXY": "x", "OMP_NUM_THREADS": "2"}
    kept |= {"DIGITS_THREADS": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true", "LD_LIBRARY_PATH": "/lib"}
    gone = ("PYTHONSTARTUP", "JUPYTER_PATH", "IPYTHONDIR", "TF_ENABLE_ONEDNN_OPTS", "SKLEARN_ASSUME_FINITE", "NPY_X")
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    for name in gone:
        monkeypatch.setenv(name, "personal")
    found = environment.for_kernel(tmp_path)
    assert {name: found.get(name) for name in kept} == kept
    assert "personal" not in found.values()
    assert found["IPYTHONDIR"] == str(tmp_path / "ipython")


def test_jupyterlab_starts_kernels_in_the_root(tmp_path):
    """Jupyter's own classes, told what the Makefile tells them; the directory of a notebook would be notebooks/."""
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
    from traitlets.config import Config

    makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r"jupyter lab (.*)", makefile)
    assert "--notebook-dir=notebooks" in options
    ((name, trait, value),) = re.findall(r'--(\w*KernelManager)\.(\w+)="(.*?)"', options)
    config = Config({name: {trait: value.replace("$(CURDIR)", str(paths.ROOT))}})
    contents = LargeFileManager(root_dir=str(paths.NOTEBOOKS))
    kernels = AsyncMappingKernelManager(config=config)
    where = kernels.cwd_for_path(contents.get_kernel_path("02_svm_sklearn_digits.ipynb"))
    assert os.path.samefile(where, paths.ROOT)
