"""kill -9 at random moments: what is made afterwards is what an undisturbed run makes, bit for bit."""

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import Project, end, fork, linux, whole

from helpers.runtime import paths

TESTS = Path(__file__).resolve().parents[1]


def outcome(project: Project) -> tuple:
    """Return what a build's numbers are: the row (sum of losses, weights in hexadecimal) and the stored state."""
    (checkpoint,) = project.root.glob("build/runs/toy/epoch-*.npz")
    return json.loads(project.results.read_text())["rows"], checkpoint.name


def start_again(project: Project) -> None:
    """Remove what was made, but for the large script that every page shares."""
    shutil.rmtree(project.root / "build", ignore_errors=True)
    for path in [*project.root.glob("reports/*.*"), *project.root.glob("reports/results/*")]:
        path.unlink()


@pytest.fixture
def left_behind():
    """Return a function that waits for the children of killed children, which this process adopts (prctl(2))."""
    adopt = ctypes.CDLL(None).prctl
    adopt(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
    before = {child.pid for child in psutil.Process().children()}

    def ended():
        for child in psutil.Process().children():
            if child.pid not in before:
                os.waitpid(child.pid, 0)

    yield ended
    ended()
    adopt(36, 0, 0, 0, 0)


@linux
def test_kernel_and_build_killed_at_thirty_random_moments(project, monkeypatch, tmp_path, left_behind):
    """Kernels are forked here, and a killed build leaves its kernel behind, which goes on writing for a while.

    It may do so beside the next build, but not in a folder that this test has meanwhile emptied: no user would.
    """
    assert project.build() == 0  # here, so that a forked build need not import anything
    expected = outcome(project)
    start_again(project)
    started = time.monotonic()
    pid = fork(project.build)
    assert os.waitpid(pid, 0)[1] == 0
    alone = time.monotonic() - started
    assert outcome(project) == expected
    assert len(expected[1]) > 64, "the name of a checkpoint carries its hash"

    note = tmp_path / "kernel.pid"
    monkeypatch.setenv("KERNEL_PID_FILE", str(note))
    moments, landed, finished = random.Random(7), {"kernel": 0, "build": 0}, 0
    for _ in range(300):
        if min(landed.values()) >= 15:
            break
        if project.page.exists():  # finished before it was hit: start again from nothing
            assert outcome(project) == expected
            finished += 1
            left_behind()
            start_again(project)
        note.unlink(missing_ok=True)
        hunt = landed["kernel"] < landed["build"]
        if hunt and project.root.joinpath("reports/manifest.json").exists():
            left_behind()
            start_again(project)  # executed already, so no kernel would be started
        pid = fork(project.build)
        if hunt:
            until(lambda: note.exists() and note.read_text())
            time.sleep(moments.uniform(0, 0.15))
            with contextlib.suppress(ProcessLookupError):  # it may have come to its end by itself
                os.kill(int(note.read_text()), signal.SIGKILL)
            landed["kernel"] += os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 1
        else:
            time.sleep(moments.uniform(0, 1.1 * alone))
            landed["build"] += os.WIFSIGNALED(end(pid))
        if project.root.joinpath("reports").exists():
            whole(project)
    assert min(landed.values()) >= 15, landed
    assert finished, "no disturbed build was ever seen to its end"
    left_behind()
    pid = fork(project.build)
    assert os.waitpid(pid, 0)[1] == 0
    assert outcome(project) == expected
    assert not list(project.root.glob("build/staging/*"))


# Run apart, so that TensorFlow is imported once and each attempt is a fork of a process that has not yet computed. The
# network is dense, as convolutions and their batch statistics would double the time of each fork; those are interrupted
# after every epoch in tests/training/test_fit.py.
# What a fork does first, building and compiling its network, takes longer than the training and writes nothing: most
# kills come at a random moment after the first epoch that it trains, every fifth at a random moment of all. An attempt
# that comes to its end before the kill does not count as one.
REAL_TRAINING = """
import json, os, random, signal, sys, time
from pathlib import Path
from test_fit import RESTLESS, make_split
from helpers.runtime import run_store
from helpers.training import fit

root, kills = Path(sys.argv[1]), int(sys.argv[2])
spec = fit.TrainSpec("mlp", make_split(), options={"units": (16,), "dropout": 0.3}, **RESTLESS)
train_epoch = fit._epoch

def attempt(store):
    heard, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        return pid, heard

    def telling(*args):
        found = train_epoch(*args)
        os.write(tell, b".")
        return found

    fit._epoch = telling
    fit.run(spec, store=store)
    os._exit(0)

def ends(pid, heard):
    status = os.waitpid(pid, 0)[1]
    os.close(heard)
    return status

def outcome(store):
    (path,) = store.glob("*/run.json")
    record = json.loads(path.read_text())
    return [row[:-1] for row in record["history"]], {k: v for k, v in record["files"].items() if k.endswith(".npz")}

began = time.monotonic()
pid, heard = attempt(root / "undisturbed")
os.read(heard, 1)
warm = time.monotonic()
assert ends(pid, heard) == 0
whole, rest = time.monotonic() - began, time.monotonic() - warm
expected = outcome(root / "undisturbed")
rng, store, tries, landed, epochs, same = random.Random(3), 0, 0, 0, [], []
while landed < kills:
    pid, heard = attempt(root / str(store))
    tries += 1
    if tries % 5 == 0:
        time.sleep(rng.uniform(0, whole))
    else:
        os.read(heard, 1)  # or its end, where an earlier attempt had trained every epoch
        time.sleep(rng.uniform(0, 0.8) * rest)
    os.kill(pid, signal.SIGKILL)
    hit = os.WIFSIGNALED(ends(pid, heard))
    landed += hit
    rest *= 1.05 if hit else 0.8  # how busy the machine is changes, and what is left to train is not always as much
    if list((root / str(store)).glob("*/run.json")):
        same.append(outcome(root / str(store)) == expected)
        store += 1
    epochs += [int(p.name.split("-")[1]) for p in (root / str(store)).glob("*/epoch-*.npz")]
assert ends(*attempt(root / str(store))) == 0
same.append(outcome(root / str(store)) == expected)
print(json.dumps({"landed": landed, "tries": tries, "epochs": sorted(set(epochs)), "same": same}))
"""


@linux
@pytest.mark.slow
def test_the_real_training_killed_at_twenty_random_moments(tmp_path):
    """Dropout, warps, Adam and a moving schedule; losses and predictions are compared by hash."""
    places = f"{TESTS / 'training'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = os.environ | {"PYTHONPATH": places, "TF_CPP_MIN_LOG_LEVEL": "3", "DIGITS_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", REAL_TRAINING, str(tmp_path), "20"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["landed"] == 20
    assert all(found["same"]), found
    assert len(found["epochs"]) > 1, f"kills came after too few different epochs: {found}"


def reporting(root):
    return subprocess.Popen(
        [sys.executable, "-m", "helpers.reporting", "build"],
        env=os.environ | {"DIGITS_ROOT": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(condition, *, seconds=300):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


@linux
@pytest.mark.slow
def test_a_real_kernel_and_a_real_build_killed(project):
    """A killed kernel is named and fails the report; a killed build takes its kernel with it, at once."""
    slow = "from pathlib import Path\nfrom helpers.runtime import paths\n(paths.BUILD / 'begun').touch()\n"
    slow += "import time\nif not (paths.BUILD / 'go').exists(): time.sleep(100)\n"
    # The toy training of this directory, in a real kernel, held up where it is to be killed.
    from conftest import RECORD, TRAINING

    project.write_notebook(slow + TRAINING, RECORD)

    first = reporting(project.root)
    until(project.root.joinpath("build/begun").exists)
    children = psutil.Process(first.pid).children(recursive=True)
    kernel = next(each for each in children if "ipykernel" in " ".join(each.cmdline()))
    kernel.kill()
    said, _ = first.communicate(timeout=300)
    assert first.returncode == 1
    assert "the kernel died in cell 2 (killed, or out of memory)" in said
    assert not project.page.exists()

    project.root.joinpath("build/begun").unlink()
    second = reporting(project.root)
    until(project.root.joinpath("build/begun").exists)
    children = psutil.Process(second.pid).children(recursive=True)
    assert any("ipykernel" in " ".join(each.cmdline()) for each in children)
    second.kill()
    second.communicate(timeout=300)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == [], "the kernel outlived its build"

    project.root.joinpath("build/go").touch()
    third = reporting(project.root)
    said, _ = third.communicate(timeout=300)
    assert third.returncode == 0, said
    real = outcome(project)
    pid = fork(lambda: project.build(force=True))
    assert os.waitpid(pid, 0)[1] == 0
    assert outcome(project) == real
    assert not list((project.root / "build/staging").iterdir())


def making(root: Path) -> subprocess.Popen:
    """Start `make reports` in a scratch project, in a process group of its own."""
    environment = os.environ | {"DIGITS_ROOT": str(root)}
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "text": True}
    return subprocess.Popen(["make", "-s", "reports"], cwd=root, env=environment, start_new_session=True, **how)


@linux
@pytest.mark.slow
@pytest.mark.skipif(not Path(sys.prefix, "pyvenv.cfg").exists(), reason="make works in a virtual environment")
def test_make_itself_killed(project):
    """Without its make a build goes on by itself and the next make waits for it; killed with all it started, the
    next begins again. Either way the numbers are those of an undisturbed build."""
    from conftest import RECORD, TRAINING

    held = "import time\nfrom pathlib import Path\nfrom helpers.runtime import paths\n(paths.BUILD / 'begun').touch()\n"
    held += "while not (paths.BUILD / 'go').exists(): time.sleep(0.05)\n"
    project.write_notebook(held + TRAINING, RECORD)
    root, begun = project.root, project.root / "build" / "begun"
    shutil.copy(TESTS.parent / "Makefile", root)
    (root / "src").symlink_to(TESTS.parent / "src")  # which .venv finds beside itself
    (root / ".venv").mkdir()
    for name in ("bin", "lib", "share", "pyvenv.cfg"):
        (root / ".venv" / name).symlink_to(Path(sys.prefix, name))
    checksum = subprocess.run(["cksum", "requirements.lock"], cwd=root, capture_output=True, text=True).stdout.split()
    (root / ".venv" / f".whole-{checksum[0]}").touch()

    first = making(root)
    until(begun.exists)
    everything = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
    os.killpg(first.pid, signal.SIGKILL)  # make and the builder; the kernel has a group of its own
    first.communicate(timeout=300)
    _, alive = psutil.wait_procs(everything, timeout=60)
    assert alive == []
    assert not project.page.exists()

    begun.unlink()
    second = making(root)
    until(begun.exists)
    builder = next(each for each in psutil.Process(second.pid).children() if "build" in each.cmdline())
    second.kill()  # make alone
    second.wait(timeout=300)
    third = making(root)
    until(lambda: len(psutil.Process(third.pid).children()) == 1)
    assert builder.is_running()
    (root / "build" / "go").touch()
    said, _ = third.communicate(timeout=300)
    assert third.returncode == 0, said
    psutil.wait_procs([builder], timeout=60)
    real = outcome(project)
    pid = fork(lambda: project.build(force=True))
    assert os.waitpid(pid, 0)[1] == 0
    assert outcome(project) == real


@pytest.mark.skipif(not (paths.ROOT / "Makefile").exists(), reason="no Makefile")
def test_a_lock_from_the_future_does_not_set_up_again(tmp_path):
    """make compares times; the environment's stamp goes by the lock's checksum, so a wrong clock does no harm."""
    for name in ("Makefile", "requirements.lock"):
        (tmp_path / name).write_bytes((paths.ROOT / name).read_bytes())
    checksum = subprocess.run(
        ["cksum", "requirements.lock"], cwd=tmp_path, capture_output=True, text=True
    ).stdout.split()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / f".venv/.whole-{checksum[0]}").touch()
    os.utime(tmp_path / "requirements.lock", (4e9, 4e9))
    done = subprocess.run(["make", "-n", "status"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Setting up" not in done.stdout
    (tmp_path / "requirements.lock").write_text("another==1.0\n")
    done = subprocess.run(["make", "-n", "status"], cwd=tmp_path, capture_output=True, text=True)
    assert "Setting up" in done.stdout
