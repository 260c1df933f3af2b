"""The repository itself: dependency lists that agree, and nothing in it that should not be."""

import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from helpers.runtime import paths

PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())


def tracked():
    listing = subprocess.run(["git", "ls-files"], cwd=paths.ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [paths.ROOT / name for name in listing.stdout.splitlines() if (paths.ROOT / name).is_file()]


def locked():
    found = {}
    for line in (paths.ROOT / "requirements.lock").read_text().splitlines():
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
    blocks = re.split(r"\n(?=[a-z0-9])", (paths.ROOT / "requirements.lock").read_text())
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
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


def test_every_target_of_the_readme_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (paths.ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", (paths.ROOT / "README.md").read_text()))
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
    from sysconfig import get_path

    binary = paths.Path(get_path("scripts")) / tool[0]
    done = subprocess.run([str(binary), *tool[1:]], cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
