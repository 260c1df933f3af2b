"""The disk and the clock against us: full, read-only, damaged, two at once; nothing half-written, each said clearly."""

import ctypes
import errno
import os
import shutil
import sys
import threading
import time

import pytest
from conftest import RECORD, TRAINING, fork, linux, whole

from helpers.reporting import __main__ as command
from helpers.reporting import build
from helpers.reporting.run import freshness
from helpers.runtime import files, paths

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE, MS_REMOUNT, MS_RDONLY = 0x4000, 0x40000, 0x20, 0x1


def on_a_disk_of(size: str, directory, work) -> str:
    """Run `work` in a forked process that alone sees a small tmpfs at `directory`; return what it printed.

    The file system vanishes with the process. Skips where the kernel allows no mounts (containers often do not).
    """
    reader, writer = os.pipe()

    def inside():
        sys.stdout = os.fdopen(writer, "w", buffering=1)
        libc = ctypes.CDLL(None, use_errno=True)
        flags = CLONE_NEWNS if os.geteuid() == 0 else CLONE_NEWNS | CLONE_NEWUSER
        if libc.unshare(flags) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
            return 77
        kept = directory.with_name(directory.name + "-kept")
        shutil.copytree(directory, kept)
        room = "32m" if size == "read-only" else size
        if libc.mount(b"tmpfs", str(directory).encode(), b"tmpfs", 0, f"size={room}".encode()):
            return 77
        shutil.copytree(kept, directory, dirs_exist_ok=True)
        if size == "read-only":
            libc.mount(b"tmpfs", str(directory).encode(), b"tmpfs", MS_REMOUNT | MS_RDONLY, None)
        status = work()
        # What the small disk held at the end is looked at from outside.
        shutil.copytree(directory, directory.with_name(directory.name + "-after"))
        return status

    pid = fork(inside)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == 77:
        pytest.skip("no file system can be mounted here")
    return f"{said}exit {status}"


def build_in(*arguments):
    """Return a piece of work: the command line's own build, its lines on standard output."""
    return lambda: command.main(["build", *arguments])


@pytest.fixture
def built(project, capsys):
    assert project.build() == 0
    capsys.readouterr()
    return project


@linux
def test_a_full_disk_under_reports(built):
    """A tmpfs of 256 KB in a mount namespace of its own; the page, with the script all pages share, does not fit."""
    shutil.rmtree(built.root / "reports/assets")
    good = built.page.read_bytes()
    built.write_notebook(prose="More prose. " * 10_000)
    said = on_a_disk_of("256k", built.root / "reports", build_in())
    assert "error: the disk is full (reports/" in said
    assert "free some space" in said
    assert "exit 2" in said
    assert (built.root / "reports-after/01_one.html").read_bytes() == good
    assert not list((built.root / "reports-after").glob(".*.part"))
    assert built.build() == 0, "with room again"
    assert b"More prose." in built.page.read_bytes()


@linux
def test_a_full_disk_under_build(built):
    """A tmpfs of 40 KB for build/; the executed notebook does not fit, and the last good report stays."""
    good = built.page.read_bytes()
    built.write_notebook("print('x')\nbig = 'y' * 100_000\n" + "#" * 60_000)
    said = on_a_disk_of("40k", built.root / "build", build_in())
    assert "the disk is full" in said
    assert "exit 2" in said
    assert built.page.read_bytes() == good
    whole(built)


@linux
def test_reports_on_a_read_only_disk(built):
    """A tmpfs remounted read-only, since root may write in spite of any permission."""
    built.write_notebook(prose="Other prose.")
    said = on_a_disk_of("read-only", built.root / "reports", build_in())
    assert "error: no permission to write (reports/" in said
    assert "Read-only file system" in said
    assert "exit 2" in said
    whole(built)
    assert built.build() == 0
    assert "Other prose." in built.page.read_text()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_kind_of_full_is_explained(number):
    text = files.explain(OSError(number, os.strerror(number), str(paths.REPORTS / "a.html")))
    assert text.startswith("the disk is full (reports/a.html)")
    assert "Nothing is half-written" in text
    assert files.explain(ValueError("plain")) == "plain"


@pytest.mark.parametrize("fail_at", range(1, 8))
def test_wherever_the_disk_fills_up_the_next_build_mends_it(built, monkeypatch, capsys, fail_at):
    """ENOSPC at the n-th file that a build writes (os.fsync is made to raise), for every n."""
    good = built.page.read_bytes()
    built.write_notebook(
        "print('other')\nstate = {}\n" + "import json\nfrom helpers.runtime import paths", RECORD_PLAIN
    )
    real, calls = os.fsync, []

    def fsync(handle):
        calls.append(handle)
        if len(calls) == fail_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", fsync)
        status = command.main(["build"])
    said = capsys.readouterr().out
    if len(calls) >= fail_at:
        assert status == 2
        assert "error: the disk is full" in said
    assert not list(built.root.rglob(".*.part"))
    assert built.page.read_bytes() == good or b"other" in built.page.read_bytes()
    whole(built)
    assert command.main(["build"]) == 0
    assert b"other" in built.page.read_bytes()
    capsys.readouterr()
    assert command.main(["build"]) == 0
    assert "0 executed, 0 rendered, 1 already fresh" in capsys.readouterr().out


RECORD_PLAIN = """\
row = dict(system="toy", split="all", metric="loss", value=1.5, n=200)
report = dict(schema=1, notebook="01_one", profile=profile, seed=seed, question="?", answer="So.", rows=[row])
target = paths.results_directory() / "01_one.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps(report))"""


def test_nobody_ever_sees_half_a_page(built):
    """A reader that never pauses, while the page is rendered again and again with much and with little in it."""
    done, seen, broken = threading.Event(), set(), []

    def read():
        while not done.is_set():
            for path in (built.page, built.root / "reports/index.html", built.root / "reports/manifest.json"):
                text = path.read_text()
                seen.add((path.name, len(text)))
                if not text.rstrip().endswith("</html>" if path.suffix == ".html" else "}"):
                    broken.append(path)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(8):
            built.write_notebook(prose=f"{turn} " + "Much prose. " * (30_000 if turn % 2 else 1))
            assert built.build() == 0
    finally:
        done.set()
        reader.join()
    assert broken == []
    sizes = {size for name, size in seen if name == "01_one.html"}
    assert min(sizes) < 100_000 < max(sizes), "it hardly looked: a page with little and one with much were there to see"


def test_every_file_under_reports_is_written_whole():
    """Nothing in the package that makes pages opens a file for writing, but the one function that does it well."""
    import ast

    for path in freshness.RENDERER.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            writes = name.endswith((".write_text", ".write_bytes")) or name in ("shutil.copy", "shutil.copyfile")
            mode = [arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)] if name == "open" else []
            if writes or any("w" in str(each) or "a" in str(each) for each in mode):
                # produce.py writes into a temporary directory of its own
                assert path.name == "produce.py", f"{path.name}, line {node.lineno}: {name}"


@linux
def test_two_builds_at_once(project, capfd):
    """The second waits and says so, then finds everything fresh; the notebook ran once."""
    project.write_notebook("import time\ntime.sleep(1)\n" + TRAINING, RECORD)
    pids = [fork(project.build) for _ in range(2)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    said = capfd.readouterr().out
    assert said.count("another build is running; waiting for it to end") == 1
    assert said.count("01_one: executed in") == 1
    assert "0 executed, 0 rendered, 1 already fresh" in said
    whole(project)


DAMAGE = {
    "build/executed/01_one.ipynb": "build/executed/01_one.ipynb is not what was written",
    "reports/results/01_one.json": "reports/results/01_one.json is damaged",
    "reports/01_one.html": "",
    "reports/index.html": "",
    "reports/manifest.json": "never executed here",
    "reports/assets/report.js": "",
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("how", ["cut", "emptied", "binary", "removed"])
def test_whatever_is_damaged_is_made_again(built, capsys, name, how):
    path = built.root / name
    before = path.read_bytes()
    damaged = {"cut": before[: len(before) // 2], "emptied": b"", "binary": b"\xff\x00" * 50}
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes(damaged[how])
    assert command.main(["status"]) == 0
    if how != "removed":
        assert DAMAGE[name] in capsys.readouterr().out
    if name.startswith("reports/assets"):  # the index, which brings the assets along, is made anew with them
        (built.root / "reports/index.html").unlink()
    assert built.build() == 0
    whole(built)
    assert built.results.exists()
    assert built.page.exists()
    if name.endswith((".html", ".js")):
        assert path.read_bytes() == before
    capsys.readouterr()
    assert built.build() == 0
    assert "0 executed, 0 rendered, 1 already fresh" in capsys.readouterr().out


@pytest.mark.parametrize("moment", [4e9, 0.0], ids=["2096", "1970"])
def test_the_clock_decides_nothing(built, capsys, moment):
    """Every source and product dated long ago or in the future: nothing is run or rendered, and rubbish still goes."""
    rubbish = built.root / "reports/.01_one.html.123.part"
    rubbish.write_text("half a page")
    for path in [*built.root.glob("*/**/*"), built.root / "requirements.lock"]:
        if not path.is_symlink() and "data" not in path.relative_to(built.root).parts:
            os.utime(path, (moment, moment))
    assert built.build() == 0
    assert "0 executed, 0 rendered, 1 already fresh" in capsys.readouterr().out
    assert not rubbish.exists()
    built.write_notebook(prose="New prose, old date.")
    os.utime(built.root / "notebooks/01_one.ipynb", (0, 0))
    assert built.build() == 0
    assert "New prose" in built.page.read_text()


def test_time_running_backwards_while_building(project, monkeypatch):
    clock = iter(range(2_000_000_000, 0, -1000))
    monkeypatch.setattr(build.time, "time", lambda: float(next(clock)))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    assert project.build() == 0
    whole(project)
