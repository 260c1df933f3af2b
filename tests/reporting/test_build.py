"""Building for real in a scratch tree: real kernels, failures of every kind, and nothing half-written."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from scratch import lend_data

from helpers.reporting import build, produce
from helpers.runtime import paths

pytestmark = pytest.mark.slow

# Written by hand: importing helpers.results costs each kernel more than everything else these notebooks do.
RECORD = """\
import json
from helpers.runtime import paths
row = dict(system="coin", split="all", metric="heads", value=0.5, n=40 + seed)
report = dict(schema=1, notebook="{slug}", profile=profile, seed=seed, question="Heads?", answer="Half.", rows=[row])
target = paths.results_directory() / "{slug}.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps(report))
target"""


WITHOUT_BOUND = "import time\nx = []\nwhile True:\n    x.append(bytearray(2**24))\n    time.sleep(0.01)"


def write_notebook(root, slug, *sources, title="A title", prose="Some prose."):
    cells = [
        nbformat.v4.new_markdown_cell(f"# {title}\n\n{prose}"),
        nbformat.v4.new_code_cell('seed: int = 0\nprofile: str = "standard"', metadata={"tags": ["parameters"]}),
        *[nbformat.v4.new_code_cell(source) for source in sources],
        nbformat.v4.new_code_cell(RECORD.format(slug=slug)),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), root / "notebooks" / f"{slug}.ipynb")


@pytest.fixture
def root(tmp_path):
    """A scratch project: its own notebooks, profiles, reports and build; the real data and lock."""
    for name in ("notebooks", "profiles/smoke", "reports"):
        (tmp_path / name).mkdir(parents=True)
    lend_data(tmp_path)
    (tmp_path / "requirements.lock").write_bytes((paths.ROOT / "requirements.lock").read_bytes())
    return tmp_path


def command(*arguments):
    return [sys.executable, "-m", "helpers.reporting", *arguments]


def reporting(root, *arguments):
    environment = os.environ | {"DIGITS_ROOT": str(root)}
    return subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL
    )


def test_build_then_nothing_to_do_then_prose_then_code(root):
    write_notebook(root, "01_one", "print('hello reader')")
    done = reporting(root, "build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 executed" in done.stdout
    assert "\r" not in done.stdout
    page = (root / "reports/01_one.html").read_text()
    assert "hello reader" in page
    assert str(root) not in page
    assert json.loads((root / "reports/results/01_one.json").read_text())["rows"][0]["n"] == 40
    assert "A title" in (root / "reports/index.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in (root / "reports").rglob("*")}

    again = reporting(root, "build")
    assert again.returncode == 0
    assert "0 executed, 0 rendered, 1 already fresh" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (root / "reports").rglob("*")} == before
    assert "from these very sources" in reporting(root, "status").stdout

    write_notebook(root, "01_one", "print('hello reader')", prose="Better prose.")
    assert "prose" in reporting(root, "status").stdout
    prose = reporting(root, "build")
    assert "0 executed, 1 rendered" in prose.stdout
    page = (root / "reports/01_one.html").read_text()
    assert "Better prose." in page
    assert "hello reader" in page

    write_notebook(root, "01_one", "print('hello again')", prose="Better prose.")
    status = reporting(root, "status").stdout
    assert "stale: code cell 2 changed" in status
    assert "1 executed" in reporting(root, "build").stdout
    assert not list(root.rglob("*.part"))


def test_what_the_kernel_opened_and_imported_decides_freshness(root):
    """Data by a literal path, a module outside the helpers, and a file that was looked for in vain."""
    (root / "data/mine.csv").write_text("x\n1\n")
    (root / "mine.py").write_text("import other\n\nvalue = other.value  # one\n")
    (root / "other.py").write_text("value = 1\n")
    (root / "beside.txt").write_text("never opened")
    look = "try:\n    open('data/later.csv')\nexcept FileNotFoundError:\n    print('not yet')"
    product = "from pathlib import Path\nPath('product.txt').write_text('made')\nprint(Path('product.txt').read_text())"
    write_notebook(root, "01_one", "import pandas as pd\npd.read_csv('data/mine.csv')", "import mine", look, product)
    assert "1 executed" in reporting(root, "build").stdout
    known = json.loads((root / "reports/manifest.json").read_text())["01_one"]["components"]
    names = [name for name in known if name.startswith("file ")]
    assert names == ["file data/later.csv", "file data/mine.csv", "file mine.py", "file other.py"]

    edits = {"beside.txt": "other", "product.txt": "other", "mine.py": "import other\nvalue = other.value\n"}
    for name, text in edits.items():
        (root / name).write_text(text)
    assert "01_one                       fresh" in reporting(root, "status").stdout
    edits = {"data/mine.csv": "x\n2\n", "other.py": "value = 2\n", "data/later.csv": "x\n"}
    for name, text in edits.items():
        before = (root / name).read_text() if (root / name).exists() else None
        (root / name).write_text(text)
        status = reporting(root, "status").stdout
        assert f"stale: file {name} changed" in status
        assert f"the page on disk is of other sources: file {name} changed" in status
        (root / name).unlink() if before is None else (root / name).write_text(before)
    (root / "other.py").write_text("value = 2\n")
    assert "1 executed" in reporting(root, "build").stdout
    assert "0 executed, 0 rendered, 1 already fresh" in reporting(root, "build").stdout


def test_a_page_claims_no_data_that_its_notebook_did_not_read():
    sums = {"train-images.gz": "a", "t10k-images.gz": "b"}
    opened = ["data/claims.csv", f"data/{paths.MNIST.name}/t10k-images.gz", "elsewhere/train-images.gz"]
    assert produce._read_of(sums, opened) == {"t10k-images.gz": "b"}
    assert produce._read_of(sums, ["data/claims.csv"]) == {}


def test_a_failure_keeps_the_last_good_report_and_the_others_go_on(root):
    write_notebook(root, "01_one", "print('good')")
    write_notebook(root, "02_two", "print('fine')")
    assert reporting(root, "build").returncode == 0
    good = (root / "reports/01_one.html").read_text()
    write_notebook(root, "01_one", "1 / 0")
    write_notebook(root, "02_two", "print('finer')")
    done = reporting(root, "build")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    assert (root / "reports/01_one.html").read_text() == good
    assert "finer" in (root / "reports/02_two.html").read_text()
    assert (root / "build/executed/01_one.failed.ipynb").exists()
    failure = (root / "build/failed/01_one.html").read_text()
    for expected in ("ZeroDivisionError", "1 / 0", ".venv/bin/papermill notebooks/01_one.ipynb", "seed"):
        assert expected in failure
    write_notebook(root, "01_one", "print('mended')")
    assert reporting(root, "build").returncode == 0
    assert not (root / "build/failed/01_one.html").exists()


def test_every_way_to_fail_is_named_and_leaves_no_report(root):
    failures = {
        "01_killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "kernel died in cell 2"),
        "02_exit": ("import sys; sys.exit(0)", "SystemExit|did not finish"),
        "03_memory": (WITHOUT_BOUND, "GiB of memory in cell 2; the limit is 0.7 GiB"),
        "04_flood": ("for i in range(100_000): print('x' * 1000)", "printed more than"),
    }
    for slug, (source, _) in failures.items():
        write_notebook(root, slug, source)
    write_notebook(root, "05_fine")
    done = reporting(root, "build", "--memory", "0.7")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = {line.split(":")[0]: line for line in done.stdout.splitlines() if "FAILED" in line}
    for slug, (_, message) in failures.items():
        assert re.search(message, lines[slug]), done.stdout
        assert not (root / f"reports/{slug}.html").exists()
        assert not (root / f"reports/results/{slug}.json").exists()
        assert (root / f"build/failed/{slug}.html").exists()
    assert (root / "reports/05_fine.html").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--timeout", "stopped after {} s, the notebook's time limit, in cell 2"),
        ("--cell-timeout", "cell 2 ran longer than its time limit"),
    ],
)
def test_a_notebook_that_never_ends_is_stopped_at_its_time_limit(root, option, message):
    write_notebook(root, "01_one", "while True: pass")
    for seconds in (4, 16, 64):  # the shorter is enough where the kernel is up and in cell 2 by then
        started = time.monotonic()
        done = reporting(root, "build", option, str(seconds))
        assert done.returncode == 1
        assert time.monotonic() - started >= seconds
        assert "time limit" in done.stdout
        if message.format(seconds) in done.stdout:
            break
    else:
        pytest.fail(done.stdout)
    assert not (root / "reports/01_one.html").exists()
    assert (root / "build/failed/01_one.html").exists()


def test_wrong_requests_are_refused_before_anything_runs(root):
    write_notebook(root, "01_one")
    (root / "profiles/smoke/01_one.yaml").write_text("profile: smoke\nsede: 3\n")
    done = reporting(root, "build", "--profile", "smoke")
    assert done.returncode == 1
    assert "FAILED: profiles/smoke/01_one.yaml: unknown parameter 'sede'" in done.stdout
    (root / "profiles/smoke/01_one.yaml").write_text("profile: smoke\nseed: many\n")
    assert "seed must be int, got 'many'" in reporting(root, "build", "--profile", "smoke").stdout
    (root / "profiles/smoke/01_one.yaml").write_text("profile: full\n")
    assert "profile: got 'full'; 'smoke' is allowed" in reporting(root, "build", "--profile", "smoke").stdout
    assert "no notebook '9'" in reporting(root, "build", "--notebook", "9").stdout
    assert not (root / "build/executed").exists()


def test_smoke_writes_elsewhere_with_a_banner(root):
    write_notebook(root, "01_one")
    (root / "profiles/smoke/01_one.yaml").write_text("profile: smoke\nseed: 3\n")
    assert reporting(root, "build", "--profile", "smoke").returncode == 0
    assert "smoke" in (root / "build/smoke/01_one.html").read_text().lower()
    assert json.loads((root / "build/smoke/results/01_one.json").read_text())["seed"] == 3
    assert not list((root / "reports").iterdir())


def test_one_after_the_other_each_stands_on_the_front_page_as_it_ends(root):
    front = "from helpers.runtime import paths\nfront = (paths.REPORTS / 'index.html').read_text()\n"
    write_notebook(root, "01_one", "'of the first'", title="The first")
    write_notebook(root, "02_two", front + "assert 'up to date' in front and 'Half.' in front", title="The second")
    done = reporting(root, "build", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_side_by_side_notebooks_wait_only_for_what_they_load(root):
    """The first waits for a sign of the third, so they do run at once; the second needs what the first found."""
    sign = "from helpers.runtime import paths; sign = paths.BUILD / 'sign'\n"
    threads = "print('threads', os.environ.get('DIGITS_THREADS', 'of all cores'))"
    write_notebook(root, "01_one", sign + "import os, time\nwhile not sign.exists(): time.sleep(0.05)\n" + threads)
    load = "from helpers.runtime import paths\nif False: results.load('01_one')\n"
    write_notebook(root, "02_two", load + "assert (paths.RESULTS / '01_one.json').exists()")
    write_notebook(root, "03_three", sign + "sign.touch()")
    done = reporting(root, "build", "--jobs", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 executed, 3 rendered" in done.stdout
    assert sorted(json.loads((root / "reports/manifest.json").read_text())) == ["01_one", "02_two", "03_three"]
    said = (
        f"threads {os.environ.get('DIGITS_THREADS', 'of all cores')}"  # as alone, so that it finds what it found alone
    )
    assert said in (root / "reports/01_one.html").read_text()
    status = reporting(root, "status").stdout
    assert status.count("from these very sources") == 3, status
    refused = reporting(root, "build", "--jobs", "0")
    assert refused.returncode == 2
    assert "JOBS=0: at least 1 is needed" in refused.stdout


# What a kernel asks the pool of its build for; `text` is what the training does.
ASK = """\
import os, pickle
from helpers.runtime import paths, pool
log = str(paths.BUILD / 'log')
def asked(word, cost, leaves=(), text=''):
    text += f"import os\\nif {word!r} not in (open({log!r}).read() if os.path.exists({log!r}) else ''):\\n"
    text += f" open({log!r}, 'a').write('{word} ')"  # what is in the store is not trained again
    return pool.Call(pickle.dumps((exec, (text,))), frozenset(leaves), cost, word)
"""


def test_kernels_share_one_pool_and_the_front_page_says_what_is_in_work(root):
    """01 holds the machine until all run; what one of them asks for in vain fails it alone."""
    (root / "reports/02_two.html").write_text("of an earlier run")
    hold = "import os, time\nwhile not os.path.exists({log + '-go'!r}): time.sleep(0.02)\n"
    hold = ASK + f'hold = f"""{hold}"""\n'
    train = "print(sorted(call.label for call, _ in pool.calls(os.environ[pool.ADDRESS], {calls})))"
    held = f"[asked('held' + str(i), 99 + i, text=hold) for i in range({produce.cores()})]"
    one = train.format(calls=held + " + [asked('three', 3), asked('shared', 2, ['run'])]")
    write_notebook(root, "01_one", hold + one)
    write_notebook(root, "02_two", ASK + train.format(calls="[asked('five', 5), asked('shared', 2, ['run'])]"))
    wrong = "[asked('wrong', 4, text='raise ArithmeticError(42)\\n')]"
    write_notebook(root, "03_three", ASK + train.format(calls=wrong))
    build = subprocess.Popen(
        command("build", "--jobs", "3"), env=os.environ | {"DIGITS_ROOT": str(root)}, stdout=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 600
        while running(build.pid, "ipykernel") < 3:
            assert time.monotonic() < deadline, "three kernels were to run"
            assert build.poll() is None
            time.sleep(0.2)
        front = (root / "reports/index.html").read_text()
        assert len(re.findall(r"in work since \d\d:\d\d on \d+ \w+ \d{4}: ", front)) == 3
        assert front.count(": what stands here is of an earlier run") == 1
        (root / "build/log-go").touch()
        said = build.communicate(timeout=600)[0].decode()
    finally:
        build.kill()
    assert "2 executed, 2 rendered, 0 already fresh, 1 failed" in said
    made = [word for word in (root / "build/log").read_text().split() if not word.startswith("held")]
    assert sorted(made) == ["five", "shared", "three"]
    assert "ArithmeticError: 42" in (root / "build/failed/03_three.html").read_text()
    assert "shared" in (root / "reports/02_two.html").read_text()
    front = (root / "reports/index.html").read_text()
    assert "in work" not in front
    assert front.count("its last execution failed") == 1
    assert not list((root / "build/staging").iterdir())


def test_as_many_are_in_work_as_there_is_memory_for(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_CONTAINER", tmp_path)
    monkeypatch.setenv("DIGITS_THREADS", "4")  # as on a machine of four cores
    memory = type("Memory", (), {"available": 11 * build.WORKER_BYTES})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert (build.trainings(), build.at_once()) == (4, 7)
    (tmp_path / "memory.current").write_text(f"{build.WORKER_BYTES}\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert (build.trainings(), build.at_once()) == (4, 7)
    (tmp_path / "memory.max").write_text(f"{8 * build.WORKER_BYTES}\n")
    assert (build.trainings(), build.at_once()) == (4, 3)
    memory.available = 5 * build.WORKER_BYTES  # fewer trainings rather than fewer than two notebooks
    assert (build.trainings(), build.at_once()) == (3, 2)
    memory.available = 3 * build.WORKER_BYTES
    assert (build.trainings(), build.at_once()) == (1, 2)
    memory.available = 0
    assert (build.trainings(), build.at_once()) == (1, 1)


def test_the_sockets_of_a_killed_build_are_swept_and_nothing_else(tmp_path):
    for name, swept in (("pool-abc", True), ("of somebody", False)):
        home = tmp_path / name
        home.mkdir()
        note = tmp_path / "build/staging/pool/socket"
        note.parent.mkdir(parents=True)
        note.write_text(str(home / "s"))
        build._sweep(tmp_path / "build")
        assert home.exists() != swept
        assert not note.exists()


def test_a_training_without_end_is_stopped_at_the_limit_of_its_cell_and_the_others_go_on(root):
    for slug, text in {"01_one": "import time; time.sleep(3600)", "02_two": "pass"}.items():
        asked = f"list(pool.calls(os.environ[pool.ADDRESS], [asked('it', 1, text={text!r} + chr(10))]))"
        write_notebook(root, slug, ASK + asked)
    done = reporting(root, "build", "--jobs", "2", "--cell-timeout", "10")
    assert done.returncode == 1
    assert "01_one: FAILED" in done.stdout
    assert "cell 2 ran longer than its time limit, 10 s" in done.stdout
    assert "1 executed, 1 rendered, 0 already fresh, 1 failed" in done.stdout


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupt_leaves_nothing_half_written_and_no_process(root, jobs):
    (root / "reports/01_one.html").write_bytes(good := b"the last good report")
    # Side by side they wait for what a process of the build's pool does, else for themselves.
    asleep = "text = 'import time; time.sleep(3600)'\n"
    pooled = ASK + asleep + "list(pool.calls(os.environ[pool.ADDRESS], [asked('long', 1, text=text + chr(10))]))"
    for slug in ("01_one", "02_two"):
        write_notebook(root, slug, pooled if jobs > 1 else asleep + "exec(text)")
    build = start_heeding_interrupts(command("build", "--jobs", str(jobs)), root)
    deadline = time.monotonic() + 600
    while running(build.pid, "ipykernel") < jobs:
        assert time.monotonic() < deadline, "no kernel started"
        time.sleep(0.2)
    while jobs > 1 and not running(build.pid, "pool_worker"):
        assert time.monotonic() < deadline, "no training began"
        time.sleep(0.2)
    children = descendants(build.pid)
    build.send_signal(signal.SIGINT)
    output, _ = build.communicate(timeout=600)
    assert build.returncode == 130
    assert "interrupted" in output
    assert (root / "reports/01_one.html").read_bytes() == good
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert not list(root.rglob("*.part"))
    assert not list((root / "build/staging").iterdir())


def start_heeding_interrupts(command, root):
    """Start a build that SIGINT interrupts, even where these tests were told to ignore it.

    A shell without job control starts `make test &` with SIGINT ignored, every process of it inherits that, and
    Python then installs no handler of its own. What has a handler here, though, is back to normal in a new program.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, env=os.environ | {"DIGITS_ROOT": str(root)}, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def running(pid, word):
    """Count the processes that a build has started whose command names a word."""
    found = 0
    for process in descendants(pid):
        with contextlib.suppress(psutil.Error):  # it has just ended
            found += word in " ".join(process.cmdline())
    return found


def descendants(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
