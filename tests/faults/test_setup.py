"""Setting up: what failed once repairs itself, a copied or moved folder works by itself, settings do no harm.

The Makefile's own recipe runs on a Python that only pretends to make environments: a real one takes a network.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.runtime import paths

pytestmark = pytest.mark.skipif(not (paths.ROOT / "Makefile").exists(), reason="no Makefile")
# What stands in for `python3.12`: it knows its version, and makes environments whose pip and uv only say that they ran.
PRETENDED = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import os, pathlib, sys
version = {version}
if sys.argv[1] == "-c":
    sys.version_info, sys.argv = version, sys.argv[1:]
    exec(sys.argv[1])
elif sys.argv[1:3] == ["-m", "venv"]:
    home = pathlib.Path(sys.argv[3])
    (home / "lib/python{{}}.{{}}/site-packages".format(*version)).mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin/python").write_text("#!/bin/sh\\necho pip $PIP_USER $PIP_TARGET $PYTHONPATH >> said\\n")
    (home / "bin/uv").write_text("#!/bin/sh\\necho uv >> said\\ntest ! -e broken\\n")
    for name in ("python", "uv"):
        (home / "bin" / name).chmod(0o755)
    for name in ("pip", "pip3"):
        (home / "bin" / name).write_text("#!" + str(home.absolute() / "bin/python"))
"""


class Project:
    def __init__(self, root: Path):
        self.root, self.venv = root, root / ".venv"
        for name in ("Makefile", "requirements.lock", "jupyter_nbconvert_config.json"):
            shutil.copy(paths.ROOT / name, root)
        for minor in (10, 11, 12):
            self.pretend(minor)

    def pretend(self, minor: int) -> None:
        path = self.root / f"python3.{minor}"
        path.write_text(PRETENDED.format(python=sys.executable, version=(3, minor)), encoding="utf-8")
        path.chmod(0o755)

    def make(self, *arguments: str, python: str | None = None, **environment: str) -> tuple[int, str]:
        """Run make setup; `python3` is the pretended 3.11 unless one is asked for."""
        shutil.copy(self.root / "python3.11", self.root / "python3")
        known = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
        known["PATH"] = f"{self.root}{os.pathsep}{known['PATH']}"
        asked = [f"PYTHON={python}"] if python else []
        done = subprocess.run(
            ["make", "setup", *asked, *arguments],
            cwd=self.root,
            env=known | environment,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def version(self) -> list[str]:
        return [path.name for path in (self.venv / "lib").glob("python*")]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_it_is_set_up_once_and_again_for_another_lock(project):
    status, said = project.make()
    assert (status, project.version()) == (0, ["python3.11"]), said
    assert not (project.root / "build/venv").exists()
    status, said = project.make()
    assert status == 0
    assert "Nothing to be done" in said
    (project.venv / "mark").touch()
    (project.root / "requirements.lock").write_text("uv==1.0\n", encoding="utf-8")
    assert project.make()[0] == 0
    assert not (project.venv / "mark").exists()


def test_a_set_up_that_fails_leaves_what_was_there_and_the_next_repairs_it(project):
    (project.root / "broken").touch()
    assert project.make()[0] != 0
    assert not project.venv.exists()
    (project.root / "broken").unlink()
    assert project.make()[0] == 0
    (project.venv / "mark").touch()
    lock = (project.root / "requirements.lock").read_bytes()
    (project.root / "requirements.lock").write_text("uv==1.0\n", encoding="utf-8")
    (project.root / "broken").touch()
    assert project.make()[0] != 0
    (project.root / "requirements.lock").write_bytes(lock)
    said = project.make()[1]
    assert "Nothing to be done" in said, "what served before still does"
    assert (project.venv / "mark").exists()


@pytest.mark.parametrize("left", ["nothing", "no pip", "a link to nowhere"])
def test_half_an_environment_is_made_anew(project, left):
    """Ctrl-C in the first seconds, or a `python -m venv` without pip, leaves a Python and no stamp; an upgrade of the
    system's Python leaves a stamp and a link to nowhere."""
    if left == "a link to nowhere":
        assert project.make()[0] == 0
        (project.venv / "bin/python").unlink()
    (project.venv / "bin").mkdir(parents=True, exist_ok=True)
    if left != "nothing":
        (project.venv / "bin/python").symlink_to(sys.executable if left == "no pip" else "/nowhere")
    status, said = project.make()
    assert status == 0, said
    assert "Setting up" in said
    assert (project.venv / "bin/uv").exists()
    assert "Nothing to be done" in project.make()[1]


def test_another_python_makes_a_new_environment_and_the_same_does_not(project):
    assert project.make()[0] == 0
    status, said = project.make(python="python3.12")
    assert (status, project.version()) == (0, ["python3.12"]), said
    assert "Nothing to be done" in project.make(python="python3.12")[1]
    assert "Nothing to be done" in project.make()[1], "where none is asked for, the one that is there serves"
    status, said = project.make(PYTHON="python3.11")  # of the environment: asked for as well
    assert (status, project.version()) == (0, ["python3.11"]), said


@pytest.mark.parametrize(
    ("python", "words"), [("python3.10", "python3.10 is Python 3.10; 3.11, 3.12 or 3.13 is needed"), ("none", "none")]
)
def test_a_python_that_will_not_do_is_refused_and_costs_nothing(project, python, words):
    assert project.make()[0] == 0
    status, said = project.make(python=python)
    assert status != 0
    assert words in said
    assert "Nothing to be done" in project.make()[1]


def test_settings_that_put_packages_elsewhere_are_not_heard(project):
    status, said = project.make(PIP_USER="1", PIP_TARGET="elsewhere", PYTHONPATH="elsewhere")
    assert status == 0, said
    told = (project.root / "said").read_text(encoding="utf-8").splitlines()
    assert "pip 0" in told


def test_nothing_in_it_names_its_place(project):
    """But for what pip and uv write, which `test_a_copy_works_on_itself` looks at."""
    assert project.make()[0] == 0
    for path in project.venv.rglob("*"):
        if path.is_file() and path.name not in ("python", "uv"):
            assert str(project.root) not in path.read_text(encoding="utf-8"), path
    (place,) = project.venv.glob("lib/python3.*/site-packages/digit-reports.pth")
    assert (place.parent / place.read_text(encoding="utf-8").strip()).resolve() == project.root / "src"


def test_root_may_open_lab(project):
    assert project.make()[0] == 0
    (project.root / "id").write_text("#!/bin/sh\necho ${WHO:-0}\n", encoding="utf-8")
    (project.root / "id").chmod(0o755)
    known = os.environ | {"PATH": f"{project.root}{os.pathsep}{os.environ['PATH']}"}
    for who, allowed in (("0", True), ("1000", False)):
        command = ["make", "-n", "lab", "ARGS=--port=8899"]
        done = subprocess.run(command, cwd=project.root, env=known | {"WHO": who}, capture_output=True, text=True)
        assert ("--allow-root" in done.stdout) == allowed
        assert "--port=8899" in done.stdout


# The environment that runs this test, copied -------------------------------------------------------------------------

HERE = Path(sys.prefix)
made_by_make = pytest.mark.skipif(
    not list(HERE.glob(".whole-*")) or HERE.parent != paths.ROOT, reason="this environment was not made by make"
)


@made_by_make
@pytest.mark.slow
def test_a_copy_works_on_itself(tmp_path):
    """A copy of the project, whose packages are links so that no gigabytes are copied: what runs is the copy's code,
    from make, from the scripts in .venv/bin, from a kernel and from an activated environment."""
    root = tmp_path / "a copy"
    shutil.copytree(paths.ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "requirements.lock", "jupyter_nbconvert_config.json"):
        shutil.copy(paths.ROOT / name, root)
    for name in ("notebooks", "profiles", "data", "reports"):
        (root / name).symlink_to(paths.ROOT / name)
    venv = root / ".venv"
    for each in [*HERE.iterdir(), *HERE.glob("bin/*"), *HERE.glob("lib/python3.*/site-packages/*")]:
        to = venv / each.relative_to(HERE)
        to.parent.mkdir(parents=True, exist_ok=True)
        if each.is_symlink():
            to.symlink_to(os.readlink(each))
        elif each.is_file() and each.stat().st_size < 100_000:
            shutil.copy2(each, to)
        elif each.name not in ("bin", "lib"):
            to.symlink_to(each)
    known = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DIGITS_ROOT")}

    def said(*command: str) -> str:
        done = subprocess.run(command, cwd=root, env=known, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    ask = "from helpers.runtime import paths; print(paths.ROOT)"
    assert said(".venv/bin/python", "-c", ask).strip() == str(root)
    assert said("bash", "-c", f"source .venv/bin/activate && cd src && python -c '{ask}'").strip() == str(root)
    assert str(venv) in said(".venv/bin/pip", "--version")
    assert str(root / "build") in said(
        ".venv/bin/python", "-c", "from helpers.runtime.paths import BUILD; print(BUILD)"
    )
    assert "01_eda" in said("make", "status")
    cell = nbformat.v4.new_code_cell(f"import sys; {ask}; print(sys.prefix)")
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), root / "ask.ipynb")
    said(".venv/bin/papermill", "ask.ipynb", "answer.ipynb")
    (answered,) = nbformat.read(root / "answer.ipynb", 4).cells
    assert answered.outputs[0].text.split("\n")[:2] == [str(root), str(venv)]
    assert str(venv) in said(".venv/bin/jupyter", "kernelspec", "list")


@made_by_make
def test_no_script_of_the_environment_names_its_place():
    for path in (HERE / "bin").iterdir():
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 100_000:
            assert not re.search(rb"(/venv|/\.venv)/", path.read_bytes()), path.name


def test_another_copys_python_is_refused(tmp_path):
    """As in a conda environment, or with the original's activated: it would work on the original."""
    (tmp_path / "src/helpers/reporting").mkdir(parents=True)
    known = {name: value for name, value in os.environ.items() if name != "DIGITS_ROOT"}
    known["PYTHONPATH"] = str(paths.ROOT / "src")
    done = subprocess.run(
        [sys.executable, "-m", "helpers.reporting", "status"], cwd=tmp_path, env=known, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"this Python works on {paths.ROOT}, not on {tmp_path}" in done.stdout
