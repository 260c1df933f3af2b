"""The pool of a build: the longest call first over all kernels, each once, cores counted, and nothing left behind."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Client
from types import SimpleNamespace

import psutil
import pytest

from helpers.reporting.run import pool as builds
from helpers.reporting.run.pool import Pool
from helpers.runtime import pool

ELSEWHERE = 999_999_999  # no process has this number, and 1 would be an ancestor of all
# What calls do is written out here, and not in the helpers: `exec` in the worker, its text from the test.
APPEND = "open({log!r}, 'a').write('{word} ')"


def call(text, *, cost=1.0, leaves=(), label="a training"):
    return pool.Call(pickle.dumps((exec, (text,))), frozenset(leaves), cost, label)


def ask(address, calls):
    """Ask as a kernel does, in a thread; return it and the list that fills with labels, or ends with an error."""
    heard = []

    def run():
        try:
            heard.extend(done.label for done, _ in pool.calls(address, calls))
        except Exception as error:
            heard.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, heard


class Another:
    """A kernel other than this process that wants the machine alone, and has it until it is let go."""

    def __init__(self, address, pid=ELSEWHERE, *, still=False):
        self.connection = Client(address, family="AF_UNIX")
        self.connection.send(("alone", pid, still))

    def has_it(self):
        self.connection.recv()
        return self

    def go(self):
        self.connection.close()


def until(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


@pytest.fixture
def one():
    with Pool(1, os.environ) as made:
        yield made


def held(log):
    """Return a call that holds a worker until `release` is called, and that function."""
    gate = log.with_name("gate")
    text = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    return call(text, cost=1e9, label="held"), gate.touch


def test_the_longest_comes_first_whichever_kernel_asks(one, tmp_path):
    log = tmp_path / "log"
    first, release = held(log)
    kernels = [ask(one.address, [first])]
    until(lambda: one._running)
    for costs in ((3, 8), (5, 1)):
        words = [call(APPEND.format(log=str(log), word=cost), cost=cost, label=str(cost)) for cost in costs]
        kernels.append(ask(one.address, words))
    until(lambda: one.progress().left == 5)
    release()
    for thread, _ in kernels:
        thread.join()
    assert log.read_text().split() == ["8", "5", "3", "1"]
    assert [heard for _, heard in kernels[1:]] == [["8", "3"], ["5", "1"]]
    assert one.progress().done == 5


def test_what_two_kernels_ask_for_is_made_once_and_never_twice_at_a_time(tmp_path):
    log = tmp_path / "log"
    text = f"import time; {APPEND.format(log=str(log), word='made')}; time.sleep(0.5)"
    with Pool(2, os.environ) as both:
        kernels = [ask(both.address, [call(text, leaves=["a", "b"], label="ab")]), None]
        until(lambda: both._running)
        kernels[1] = ask(
            both.address,
            [call(text, leaves=["a"], label="a"), call(APPEND.format(log=str(log), word="other"), label="other")],
        )
        for thread, _ in kernels:
            thread.join()
    assert sorted(log.read_text().split()) == ["made", "other"]
    assert kernels[0][1] == ["ab"]
    assert sorted(kernels[1][1]) == ["a", "other"]


def test_no_call_begins_while_kernels_compute_on_every_core(one, tmp_path):
    gate = tmp_path / "made"
    with one.kernel():
        with one.kernel():  # two compute, and one of them comes to wait
            thread, _ = ask(one.address, [call(f"open({str(gate)!r}, 'w')")])
            until(lambda: one.progress().left == 1)
            time.sleep(0.3)
            assert not one._running, "the other one still computes on the only core"
            assert one.room(2)
            assert not one.room(3)
        thread.join()
    assert gate.exists()


def test_an_error_is_of_its_call_alone_and_drops_what_that_kernel_still_wanted(one, tmp_path):
    log = tmp_path / "log"
    first, release = held(log)
    before = ask(one.address, [first])
    until(lambda: one._running)
    bad = [call("raise ArithmeticError('of mine')", cost=9), call(APPEND.format(log=str(log), word="dropped"), cost=1)]
    failing = ask(one.address, bad)
    fine = ask(one.address, [call(APPEND.format(log=str(log), word="fine"), cost=0)])
    until(lambda: one.progress().left == 4)
    release()
    for thread, _ in (before, failing, fine):
        thread.join()
    (error,) = failing[1]
    assert isinstance(error, ArithmeticError)
    assert "of mine" in str(error)
    assert fine[1] == ["a training"]
    # It may have begun before the kernel that had wanted it was gone, but never twice.
    assert log.read_text().split() in (["fine"], ["dropped", "fine"])


def test_a_worker_that_dies_fails_its_call_and_the_next_finds_another(one):
    thread, heard = ask(one.address, [call("import os; os._exit(7)", label="resnet8 seed 0")])
    thread.join()
    (error,) = heard
    assert isinstance(error, RuntimeError)
    assert str(error) == "resnet8 seed 0: the process that trained it ended with status 7"
    thread, heard = ask(one.address, [call("pass")])
    thread.join()
    assert heard == ["a training"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import os; os.write(2, b'first\\nno room left\\n'); os._exit(3)", "status 3; it said last: no room left"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "status -9 (killed, or out of memory)"),
        ("import os; os.abort()", "status -6; it said last: Fatal Python error: Aborted"),
    ],
)
def test_what_a_worker_said_before_it_died_is_told(one, text, words):
    thread, heard = ask(one.address, [call(text)])
    thread.join()
    assert str(heard[0]).endswith(f"ended with {words}")


def test_a_worker_that_died_between_two_calls_is_replaced(one, monkeypatch):
    for seen in (True, False):  # before the next call, or only when it is to be handed over
        thread, heard = ask(one.address, [call("pass")])
        thread.join()
        if not seen:
            monkeypatch.setattr(builds._Worker, "dead", lambda worker: False)
        (worker,) = one._workers
        worker.process.kill()
        worker.process.wait()
        thread, heard = ask(one.address, [call("pass")])
        thread.join()
        assert heard == ["a training"]


def test_what_is_made_for_a_kernel_that_has_gone_frees_its_core(one):
    asked = pool.calls(one.address, [call("pass", cost=2), call("import time; time.sleep(3600)", cost=1)])
    next(asked)
    until(lambda: one._running)
    asked.close()
    thread, heard = ask(one.address, [call("pass")])
    thread.join()
    assert heard == ["a training"]
    assert one.progress().left == 0


def test_other_code_than_the_askers_gets_one_new_process(one, tmp_path):
    log = tmp_path / "log"
    stale = "from helpers.runtime.pool import Stale; import os\n"
    stale += f"open({str(log)!r}, 'a').write(f'{{os.getpid()}} ')\nraise Stale('it is')"
    thread, heard = ask(one.address, [call("pass")])
    thread.join()
    thread, heard = ask(one.address, [call(stale)])
    thread.join()
    assert [type(error) for error in heard] == [pool.Stale]
    assert len(set(log.read_text().split())) == 2


def test_the_time_left_is_never_less_than_that_of_the_longest_call():
    made = Pool(4, {})
    made._times.append((0.1, 60.0))  # a small one, with the start of a process
    made._queue += [builds._Queued(call("pass", cost=cost), asker=SimpleNamespace()) for cost in (10.0, 1.0, 1.0)]
    assert made.progress() == builds.Progress(done=1, left=3, seconds=None)
    made._times[:] = [(3.0, 3.0)]
    assert made.progress() == builds.Progress(done=1, left=3, seconds=10.0)
    made._queue += [builds._Queued(call("pass", cost=9.0), asker=SimpleNamespace()) for _ in range(4)]
    assert made.progress().seconds == 12.0


def test_who_measures_has_the_machine_alone(tmp_path):
    log = tmp_path / "log"
    first, release = held(log)
    with Pool(2, os.environ) as both:
        running = ask(both.address, [first])
        until(lambda: both._running)
        seen = []

        def measure():
            kernel = Another(both.address).has_it()
            seen.append(len(both._running))
            queued.append(ask(both.address, [call("pass", label="later")]))
            until(lambda: both.progress().left == 2)
            time.sleep(0.3)
            seen.append(len(both._running))
            seen.append(both.room(0))
            kernel.go()

        queued = []
        measuring = threading.Thread(target=measure)
        measuring.start()
        until(lambda: both._alone)
        assert not seen, "a training is still under way"
        short = ask(both.address, [call("pass", label="no time is known of any")])
        time.sleep(0.3)
        assert len(both._running) == 1
        release()
        for thread in (running[0], measuring):
            thread.join()
        for thread, _ in (short, *queued):
            thread.join()
    assert seen[0] == 0
    assert seen[1:] == [0, False]
    assert queued[0][1] == ["later"]


def test_what_is_held_alone_is_not_asked_for_again_and_no_training_is_waited_for(one, monkeypatch):
    monkeypatch.setenv(pool.ADDRESS, one.address)
    with pool.alone(), pool.alone():  # inside of one it is held already
        thread, heard = ask(one.address, [call("pass")])  # a thread that the kernel may wait for
        thread.join(timeout=60)
        assert "cannot be asked for while the machine is held alone" in str(heard)
    thread, heard = ask(one.address, [call("pass")])
    thread.join()
    assert heard == ["a training"]


def test_no_kernel_is_started_while_the_machine_is_held_alone(one):
    held_by = Another(one.address).has_it()
    gate, begun = threading.Event(), threading.Event()

    def begin():
        with one.kernel():
            begun.set()
            gate.wait()

    starting = threading.Thread(target=begin)
    starting.start()
    time.sleep(0.3)
    assert not begun.is_set()
    assert one.kernels == 0
    held_by.go()
    assert begun.wait(300)
    assert one.kernels == 1
    gate.set()
    starting.join()
    assert one.kernels == 0


def test_a_kernel_that_died_in_the_queue_blocks_nobody(one, tmp_path):
    first, release = held(tmp_path / "log")
    running, _ = ask(one.address, [first])
    until(lambda: one._running)
    kernel = Another(one.address)
    until(lambda: one._alone)
    kernel.go()
    until(lambda: not one._alone)
    assert one._running, "nothing had to end for that"
    with one.core():
        release()
    running.join()


def test_a_kernel_that_comes_up_while_one_measures_is_stopped_too(one, tmp_path):
    """It was begun just before: who executes it is there, and starts it in the middle of a timing."""
    ticks, gate = tmp_path / "ticks", tmp_path / "gate"
    kernel = f"import time\nwhile True: open({str(ticks)!r}, 'a').write('.'); time.sleep(0.01)"
    starter = f"import os, subprocess, sys, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    starter += f"subprocess.run([sys.executable, '-c', {kernel!r}])"
    child = subprocess.Popen([sys.executable, "-c", starter])
    try:
        held_by = Another(one.address, still=True).has_it()
        gate.touch()
        until(lambda: [each.status() for each in psutil.Process(child.pid).children()] == [psutil.STATUS_STOPPED])
        assert one.idle({child.pid}) > 0
        held_by.go()
        until(ticks.exists)
        before = ticks.stat().st_size
        until(lambda: ticks.stat().st_size > before)
    finally:
        for each in psutil.Process(child.pid).children():
            each.kill()
        child.wait()


def test_other_kernels_stand_still_while_one_measures(one, tmp_path, monkeypatch):
    """As in a build: its children start the kernels, which are stopped; the children themselves are not."""
    monkeypatch.setenv(pool.ADDRESS, one.address)
    ticks = tmp_path / "ticks"
    kernel = f"import time\nwhile True: open({str(ticks)!r}, 'a').write('.'); time.sleep(0.01)"
    starter = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {kernel!r}])"
    child = subprocess.Popen([sys.executable, "-c", starter])
    try:
        until(ticks.exists)
        with pool.alone(still=False):
            before = ticks.stat().st_size
            until(lambda: ticks.stat().st_size > before)
        with pool.alone():
            assert psutil.Process(child.pid).status() != psutil.STATUS_STOPPED
            before = ticks.stat().st_size
            time.sleep(0.5)
            assert ticks.stat().st_size == before
            assert one.idle({child.pid}) >= 0.5, "it stands still through no fault of its own"
            every = [child.pid, *(each.pid for each in psutil.Process(child.pid).children())]
        until(lambda: ticks.stat().st_size > before)
        until(lambda: not one._alone)
        stood = one.idle({child.pid})
        assert stood >= 0.5
        assert one.idle({*every}) == stood, "once for each notebook, however many processes it has"
    finally:
        for each in psutil.Process(child.pid).children():
            each.kill()
        child.wait()


def test_seconds_in_which_a_kernel_waits_and_stands_still_count_once(one, monkeypatch):
    tree = {10: [11], 20: [21], 30: [31], 40: []}
    stop = {"suspend": lambda: None}
    there = {first: [SimpleNamespace(pid=pid, **stop) for pid in pids] for first, pids in tree.items()}
    monkeypatch.setattr(one, "_others", lambda pid: there)
    one._askers.append(builds._Asker(None, 21))
    one._alone.append(builds._Alone(None, 31))
    stopped = []
    assert not one._stop_others(1, stopped), "there may be others that have just come"
    assert {process.pid for process in stopped} == {11, 21, 31}
    assert set(one._stopped) == {10}
    assert not one._stop_others(1, stopped), "40 has started nothing yet"
    del there[40]
    one.kernels = 5
    assert not one._stop_others(1, stopped), "one of those that are counted has no process yet"
    one.kernels = 4
    assert one._stop_others(1, stopped)
    one._askers.clear()
    one._alone.clear()


def test_seconds_until_a_kernel_has_the_machine_alone_are_waited(one, tmp_path):
    first, release = held(tmp_path / "log")
    running, _ = ask(one.address, [first])
    until(lambda: one._running)
    kernel = Another(one.address, pid=123)
    until(lambda: one._alone)
    time.sleep(0.3)
    waited = one.idle({123})
    assert waited >= 0.3
    assert one.idle({1}) == 0
    release()
    kernel.has_it()
    whole = one.idle({123})
    assert whole >= waited
    time.sleep(0.1)
    assert one.idle({123}) == whole, "what it then does is its own"
    kernel.go()
    running.join()
    until(lambda: not one._alone)
    assert one.idle({123}) == whole


def test_while_one_waits_to_measure_what_ends_earlier_than_the_rest_is_made(tmp_path):
    first, release = held(tmp_path / "log")
    with Pool(2, os.environ) as both:
        thread, _ = ask(both.address, [call("import time; time.sleep(0.2)", cost=1e6)])
        thread.join()  # now it is known how long an operation takes
        running, _ = ask(both.address, [first])
        until(lambda: both._running)
        measuring = Another(both.address)
        until(lambda: both._alone)
        longer, _ = ask(both.address, [call("pass", cost=1e12, label="longer")])
        shorter, heard = ask(both.address, [call("pass", cost=1e3, label="shorter")])
        shorter.join()
        assert heard == ["shorter"]
        assert both.progress().left == 2
        release()
        measuring.has_it().go()
        for each in (running, longer):
            each.join()


def test_nobody_asks_and_outside_of_a_build_alone_is_nothing(monkeypatch):
    monkeypatch.delenv(pool.ADDRESS, raising=False)
    with pool.alone():
        pass


def test_seconds_in_the_queue_are_told_apart_from_those_of_ones_own_trainings(one, tmp_path):
    first, release = held(tmp_path / "log")
    before, _ = ask(one.address, [first])
    until(lambda: one._running)
    at_once = one.idle({os.getpid()})
    after, _ = ask(one.address, [call("import time; time.sleep(0.5)")])
    until(lambda: one.progress().left == 2)
    time.sleep(0.3)
    waited = one.idle({os.getpid()})
    assert waited >= at_once + 0.3
    assert one.idle({1}) == 0
    release()
    for thread in (before, after):
        thread.join()
    until(lambda: not one._askers)
    assert one.idle({os.getpid()}) == one.idle({os.getpid()}), "it stands still"


def test_of_fewer_calls_at_a_time_than_alone_the_missing_part_is_waited(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(builds.time, "monotonic", lambda: now[0])
    asker = builds._Asker(None, 1, size=2, left=3, since=0.0)
    # (at, more calls begun or ended, seconds waited until then): two at a time, then the last by itself
    for at, more, waited in ((10, 1, 10), (14, 1, 12), (20, -1, 12), (24, -1, 14), (24, 1, 14), (30, -1, 14)):
        now[0] = float(at)
        asker.count(more)
        assert asker.idle == waited, at


def test_calls_begin_in_the_end_though_a_kernel_counts_as_computing(tmp_path, monkeypatch):
    """It may wait for the lock of a file that the one with the calls holds, and that would be for ever."""
    monkeypatch.setattr(builds, "_STARVED", 0.5)
    with Pool(1, os.environ) as one, one.kernel(), one.kernel():
        thread, heard = ask(one.address, [call("pass")])
        thread.join(timeout=300)
        assert heard == ["a training"]


FORKS = """
import os, pickle, signal, time
from helpers.runtime import pool
with pool.alone(still=False):
    child = os.fork()
    if not child:
        time.sleep(3600)
asked = pool.Call(pickle.dumps((exec, ("pass",))), frozenset(), 1.0, "later")
print([done.label for done, _ in pool.calls(os.environ[pool.ADDRESS], [asked])])
child_of_calls = os.fork()
if not child_of_calls:
    time.sleep(3600)
for each in (child, child_of_calls):
    os.kill(each, signal.SIGKILL)
"""
STARTS = """
import subprocess, sys
from helpers.runtime import pool
code = '''
import os, pickle
from helpers.runtime import pool
with pool.alone():
    print("has it", flush=True)
try:
    list(pool.calls(os.environ[pool.ADDRESS], [pool.Call(pickle.dumps((exec, ("pass",))), frozenset(), 1.0, "a")]))
except RuntimeError as error:
    print(error)
'''
with pool.alone():
    subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (FORKS, "['later']\n"),
        (STARTS, "has it\ntrainings cannot be asked for while the machine is held alone\n"),
    ],
)
def test_processes_that_a_kernel_forks_or_starts_hold_nothing_up(one, code, words):
    environment = os.environ | {pool.ADDRESS: one.address}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.returncode) == (words, 0), done.stderr
    until(lambda: not one._alone)
    until(lambda: not one._askers)


def test_a_worker_that_grows_above_its_memory_is_stopped():
    with Pool(1, os.environ, memory=150 * 2**20) as one:
        thread, heard = ask(one.address, [call("held = b'x' * 400_000_000\nimport time; time.sleep(3600)")])
        thread.join()
        thread, after = ask(one.address, [call("pass")])
        thread.join()
    assert "GiB of memory; the limit is 0.1 GiB" in str(heard[0])
    assert after == ["a training"]


def test_whatever_goes_wrong_is_answered(one, monkeypatch):
    thread, heard = ask(one.address, [call("pass")])
    thread.join()
    (worker,) = one._workers
    worker.said.unlink()  # by somebody who sweeps the folder of temporary files
    thread, heard = ask(one.address, [call("import os; os._exit(7)")])
    thread.join()
    assert str(heard[0]).endswith("ended with status 7")
    monkeypatch.setattr(builds._Worker, "make", lambda *_, **__: {}["an answer"])
    thread, heard = ask(one.address, [call("pass")])
    thread.join()
    assert str(heard[0]) == "a training: KeyError('an answer')"
    assert not one._workers
    assert not one._running


def test_an_error_that_cannot_travel_says_where_it_was_raised(one):
    text = "class Odd(Exception):\n  def __init__(self, a, b): super().__init__(a)\nraise Odd('of mine', 2)"
    thread, heard = ask(one.address, [call(text)])
    thread.join()
    assert str(heard[0]) == "Odd: of mine"
    assert 'File "<string>", line 3' in "".join(heard[0].__notes__)


BUILD = """
import os, pickle, sys, threading, time
from helpers.reporting.run.pool import Pool
from helpers.runtime import pool
call = pool.Call(pickle.dumps((exec, ("import time; time.sleep(600)",))), frozenset(), 1.0, "long")
with Pool(1, os.environ) as one:
    threading.Thread(target=lambda: list(pool.calls(one.address, [call])), daemon=True).start()
    while not one._workers:
        time.sleep(0.02)
    print(one._workers[0].process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_ended_leaves_no_process(how):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        build = subprocess.Popen([sys.executable, "-c", BUILD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGINT, before)
    with build.stdout:
        worker = psutil.Process(int(build.stdout.readline()))
        build.send_signal(how)
        build.wait(timeout=300)
    _, alive = psutil.wait_procs([worker], timeout=300)
    assert not alive
