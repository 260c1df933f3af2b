"""The repository itself: dependency lists that agree, and nothing in it that should not be."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from sysconfig import get_path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

from helpers.runtime import paths

PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked():
    listing = subprocess.run(["git", "ls-files"], cwd=paths.ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [paths.ROOT / name for name in listing.stdout.splitlines() if (paths.ROOT / name).is_file()]


def locked():
    found = {}
    for line in (paths.ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        match = re.match(r"([a-z0-9._-]+)==([^ ;\\]+)", line)
        if match:
            found.setdefault(match[1], set()).add(match[2])
    return found


def test_the_lock_meets_every_dependency_and_every_pin_has_a_hash():
    versions = locked()
    optional = PROJECT["project"]["optional-dependencies"]
    for text in [*PROJECT["project"]["dependencies"], *optional["dev"]]:
        wanted = Requirement(text)
        name = wanted.name.lower().replace("_", "-")
        assert name in versions, f"{name} is not in requirements.lock; run make lock"
        assert all(wanted.specifier.contains(v) for v in versions[name]), f"{wanted} but {versions[name]} locked"
    blocks = re.split(r"\n(?=[a-z0-9])", (paths.ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "digits"
    assert environment["channels"] == ["conda-forge"]
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert pip == ["-r requirements.lock"]
    python = next(item for item in conda if item.startswith("python"))
    supported = Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    spec = Requirement(python).specifier
    for minor in range(8, 20):
        if spec.contains(f"3.{minor}.5"):
            assert supported.contains(f"3.{minor}.5"), f"environment.yml allows Python 3.{minor}, pyproject does not"
    assert any(supported.contains(f"3.{m}.5") and spec.contains(f"3.{m}.5") for m in range(8, 20))
    assert "pip" in conda


def test_the_workflow_tries_every_python_and_publishes_what_is_committed():
    workflow = yaml.safe_load((paths.ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    test, pages = workflow["jobs"]["test"], workflow["jobs"]["pages"]
    supported = Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    assert test["strategy"]["matrix"]["python"] == [f"3.{n}" for n in range(30) if supported.contains(f"3.{n}.0")]
    runs = [step["run"] for step in test["steps"] if "run" in step]
    assert runs == [".ci/run"]
    assert os.access(paths.ROOT / runs[0], os.X_OK)
    assert pages["needs"] == "test"
    assert "refs/heads/main" in pages["if"]
    assert [step["with"]["path"] for step in pages["steps"] if "upload" in step.get("uses", "")] == ["reports"]
    used = [step["uses"] for job in (test, pages) for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used), "official actions, of a known version"


def test_every_target_of_the_readme_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (paths.ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", (paths.ROOT / "README.md").read_text(encoding="utf-8")))
    assert named
    assert named <= targets
    assert {"help", "setup", "reports", "smoke", "status", "test", "lint", "lock", "lab", "clean"} <= targets


def test_no_addresses_of_package_indexes_and_no_machine_paths():
    address = re.compile(r"--(extra-)?index-url|pypi\.org/simple|https?://[^ ]*/simple\b|file:///")
    home = re.compile(r"(?<![\w.])/(home|root|Users)/\w|(?<![\w.])/work/")
    for path in tracked():
        if path.suffix in {".gz", ".png", ".js", ".keras"} or path == paths.ROOT / "tests" / "test_repository.py":
            continue
        text = path.read_text(encoding="utf-8")
        found = address.search(text)
        assert not found, f"{path.relative_to(paths.ROOT)}: {found[0]}"
        found = home.search(text)
        assert not found, f"{path.relative_to(paths.ROOT)}: {found[0]}"


def test_no_large_or_forbidden_files():
    for path in tracked():
        name = path.relative_to(paths.ROOT).as_posix()
        assert "qmnist" not in name, f"{name} must never be committed"
        limit = 11_000_000 if name.startswith("data/mnist/") else 6_000_000
        assert path.stat().st_size < limit, f"{name} is {path.stat().st_size} bytes"


@pytest.mark.parametrize("tool", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["codespell"]])
def test_lint(tool):
    binary = paths.Path(get_path("scripts")) / tool[0]
    done = subprocess.run([str(binary), *tool[1:]], cwd=paths.ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


# What editors leave in notebooks -------------------------------------------------------------------------------------


def stripping() -> list[str]:
    """Return the options that make gives nbstripout."""
    (line,) = re.findall(r"^STRIP := (.*)$", (paths.ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    return shlex.split(line)


def test_commits_are_stripped_as_make_format_does():
    hooks = yaml.safe_load((paths.ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    (entry,) = [hook["entry"] for hook in hooks if hook["id"] == "nbstripout"]
    assert shlex.split(entry)[1:] == stripping()


def saved_by_lab(notebook) -> None:
    """Change a notebook as running it in JupyterLab, tagging a cell there and saving does."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    about = {"name": "python", "version": "3.11.7", "codemirror_mode": {"name": "ipython", "version": 3}}
    about |= {"file_extension": ".py", "mimetype": "text/x-python", "nbconvert_exporter": "python"}
    notebook.metadata = {"kernelspec": kernel, "language_info": about | {"pygments_lexer": "ipython3"}}
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.execution_count = 1
    cell.outputs = [
        nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgoAAAANSUhEUgAA/nd+te/fo/BA/tHe" * 40})
    ]
    cell.metadata |= {"editable": True, "slideshow": {"slide_type": ""}, "scrolled": True}


def test_format_takes_all_away_that_lab_leaves(tmp_path):
    original = sorted(paths.NOTEBOOKS.glob("*.ipynb"))[1]
    notebook, saved = nbformat.read(original, 4), tmp_path / original.name
    saved_by_lab(notebook)
    nbformat.write(notebook, saved)
    spelled = subprocess.run(
        [paths.Path(get_path("scripts")) / "codespell", saved], cwd=paths.ROOT, capture_output=True
    )
    assert spelled.returncode == 0, "letters of a picture are no words"
    strip = [str(paths.Path(get_path("scripts")) / "nbstripout"), *stripping()]
    assert subprocess.run([*strip, "--verify", saved], capture_output=True).returncode == 1
    subprocess.run([*strip, saved], check=True)
    assert saved.read_bytes() == original.read_bytes()


def test_lint_says_first_that_a_notebook_is_not_stripped():
    text = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", text, re.M)[1].splitlines()
    assert "nbstripout" in recipe[0]
    assert "make format" in recipe[0]


# Encodings: ruff's PLW1514 sees files, this what other programs say --------------------------------------------------


def unnamed_encodings(code: str) -> list[int]:
    """Return the lines of calls that exchange text with a process in whatever encoding the system has."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    calls = [call for call in calls if re.fullmatch(r"(subprocess\.)?(run|Popen|check_output)", ast.unparse(call.func))]
    named = [(call.lineno, {keyword.arg for keyword in call.keywords}) for call in calls]
    return [line for line, names in named if names & {"text", "universal_newlines"} and "encoding" not in names]


def test_text_of_other_programs_has_its_encoding():
    assert unnamed_encodings("run(a, text=True)\nrun(b, encoding='utf-8')") == [1]
    for folder in ("src", "benchmarks"):
        for path in sorted((paths.ROOT / folder).rglob("*.py")):
            assert unnamed_encodings(path.read_text(encoding="utf-8")) == [], path.name


@pytest.mark.parametrize("command", [["diff"], ["status"]])
def test_commands_work_where_the_system_knows_ascii_only(command):
    """What a terminal of that kind cannot show comes as an escape."""
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "helpers.reporting", *command], env=plain, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    assert done.stdout.isascii()
    assert b"Traceback" not in done.stderr


def test_whoever_stops_reading_ends_nothing():
    """`make status | head -1`: no traceback, and a build would go on."""
    command = [sys.executable, "-m", "helpers.reporting", "status"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    running.stdout.readline()
    running.stdout.close()
    said = running.stderr.read()
    running.stderr.close()
    assert running.wait(timeout=300) == 0
    assert said == b""
