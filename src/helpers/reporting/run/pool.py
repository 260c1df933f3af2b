"""The pool of a build: a warm process for each core, if memory allows, whose calls queue, the longest first.

It never looks into a call. No two that leave the same run are made at once: who asks second finds it in the run store.
Cores are counted: a kernel that computes takes one, and no call begins while none is free, so that what a page says
about seconds was measured on a core of its own. Who measures moments has the machine alone. A process that dies over a
call is the error of this call; all processes end with the build, however that ends.
"""

import contextlib
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener, Pipe
from pathlib import Path

import psutil

from helpers.runtime.pool import WORKER_BYTES, Call

PREFIX = "pool-"  # of the folder with its socket
_LOOK = 0.2  # seconds between two looks at who has come up meanwhile, or at how large a worker has grown
_STARVED = 300.0  # seconds after which a call begins on a core that counts as taken, where no other call is being made


@dataclass(frozen=True)
class Progress:
    """How far the calls of a build have got, and about how many seconds the rest takes, None while nobody can know."""

    done: int
    left: int
    seconds: float | None


@dataclass(eq=False)
class _Asker:
    """A kernel that waits for its calls.

    size: how many the pool makes at a time. left: its calls that have not ended. idle: the seconds that it waited for
    others: of those in which fewer of its calls were made than if it were alone, the part that was missing.
    """

    connection: Connection
    pid: int
    size: int = 1
    left: int = 1
    making: int = 0
    idle: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def answer(self, number: int, good: bool, value: bytes | None) -> None:
        with contextlib.suppress(OSError):  # it has gone, and wants nothing any more
            self.connection.send((number, good, value))

    def count(self, more: int) -> None:
        """Note that one of its calls began (1) or ended (-1)."""
        now = time.monotonic()
        had = self.making / max(1, min(self.size, self.left))
        self.idle += (now - self.since) * max(0.0, 1.0 - had)
        self.making, self.since = self.making + more, now
        self.left -= more < 0


@dataclass(eq=False)
class _Alone:
    """A kernel that wants the machine; since: when it began to wait for it, None once it has it."""

    connection: Connection
    pid: int
    since: float | None = field(default_factory=time.monotonic)


@dataclass(eq=False)
class _Queued:
    call: Call
    number: int = 0
    asker: _Asker | None = None  # None for what the build itself does
    began: float = 0.0
    worker: "_Worker | None" = None
    asked: float = field(default_factory=time.monotonic)


class _Worker:
    """A process that makes one call after the other, and ends when this one does. said: file of its standard error."""

    def __init__(self, environment: Mapping[str, str], said: Path):
        self.connection, theirs = Pipe()
        self.said = said
        with said.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "helpers.runtime.pool_worker", str(theirs.fileno())],
                stdin=subprocess.PIPE,  # and left open: when this process is killed it closes, which ends the worker
                stdout=subprocess.DEVNULL,
                stderr=stream,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
                start_new_session=True,  # Ctrl-C reaches the build alone, which then ends its children in order
            )
        theirs.close()
        self.killed = self.given = False
        self.stopped = ""  # why it was, when it had grown too large

    def make(self, call: bytes, *, limit: int = 0) -> tuple[bool, bool, bytes]:
        """Return whether a call ended well, whether a new process may do better, and what it returned or raised.

        It is killed when it grows above `limit` bytes, 0 for none.
        """
        self.given = False
        self.connection.send_bytes(call)
        self.given = True
        while not self.connection.poll(_LOOK):
            if limit and (size := self.bytes()) > limit:
                self.stopped = f"stopped at {size / 2**30:.1f} GiB of memory; the limit is {limit / 2**30:.1f} GiB"
                self.process.kill()
                break
        return self.connection.recv()

    def dead(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def too_large(self) -> bool:
        """Whether it has grown, as TensorFlow does over several trainings."""
        return not 0 < self.bytes() <= WORKER_BYTES

    def bytes(self) -> int:
        """Return how much memory it has; 0 when it has ended."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.process.pid).memory_info().rss
        return 0

    def end(self) -> int:
        self.process.kill()
        self.process.stdin.close()
        self.connection.close()
        return self.process.wait()

    def last_words(self) -> str:
        """Return how a process that was found dead ended, and what it said before."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # the connection closes a moment before it has ended
            self.process.wait(timeout=5)
        status, text = self.end(), self.stopped
        with contextlib.suppress(OSError):  # somebody may have swept the folder of temporary files
            text = text or self.said.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines()]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]  # where it stood comes after that
        last = (fatal or [line for line in lines if line] or [""])[-1][:300]
        why = " (killed, or out of memory)" if status == -signal.SIGKILL else ""
        return f"status {status}{why}" + (f"; it said last: {last}" if last else "")


@dataclass(eq=False)
class Pool:
    """The pool's side, in the process of the build: `with Pool(...)` starts it, and ends all that it started.

    size: calls at a time. environment: of the processes that make them. memory: the bytes that each may take, 0 for any
    number.
    """

    size: int
    environment: Mapping[str, str]
    memory: int = 0
    kernels: int = 0  # that were started and have not ended, waiting or not
    _queue: list[_Queued] = field(default_factory=list)
    _running: list[_Queued] = field(default_factory=list)
    _askers: list[_Asker] = field(default_factory=list)
    _alone: list[_Alone] = field(default_factory=list)  # who wants the machine, the first of them next
    _workers: list[_Worker] = field(default_factory=list)
    _times: list[tuple[float, float]] = field(default_factory=list)  # (cost, seconds) of calls that were made
    _idle: dict[int, float] = field(default_factory=dict)  # by process, of what it no longer waits for
    _stopped: dict[int, float] = field(default_factory=dict)  # who executes a notebook -> since when its kernel stands
    _started: int = 0  # workers
    _ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> "Pool":
        self._home = tempfile.mkdtemp(prefix=PREFIX)  # short: the path of a socket has at most some hundred letters
        self._listener = Listener(f"{self._home}/s", family="AF_UNIX", backlog=64)
        self.address = self._listener.address
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.size)]
        for thread in [*self._threads, threading.Thread(target=self._listen, daemon=True)]:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        with self._changed:
            self._ended = True
            for worker in self._workers:
                worker.process.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        shutil.rmtree(self._home, ignore_errors=True)

    @contextlib.contextmanager
    def kernel(self) -> Iterator[None]:
        """Count a kernel, which computes unless it waits for calls, as soon as nobody wants the machine alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._alone)
            self.kernels += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self.kernels -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def core(self) -> Iterator[None]:
        """Take a core for what the build itself does, as soon as nobody wants the machine alone."""
        own = _Queued(Call(b"", frozenset(), 0.0, ""))
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._alone)
            self._running.append(own)
        try:
            yield
        finally:
            with self._changed:
                self._running.remove(own)
                self._changed.notify_all()

    def room(self, kernels: int) -> bool:
        """Whether another kernel may start beside so many: one more may compute than there are cores."""
        with self._changed:
            return not self._alone and kernels - len(self._askers) <= self.size

    def idle(self, pids: set[int]) -> float:
        """Return the seconds that the kernels among these processes have waited for others.

        Those are the seconds in which none of their calls was made, those until they had the machine alone, and those
        in which they stood still because another kernel had it.
        """
        with self._changed:
            for each in self._askers:
                each.count(0)
            now = time.monotonic()
            waited = [*self._idle.items(), *((each.pid, each.idle) for each in self._askers)]
            waited += [(each.pid, now - each.since) for each in self._alone if each.since is not None]
            waited += [(pid, now - since) for pid, since in self._stopped.items()]
            return sum(seconds for pid, seconds in waited if pid in pids)

    def progress(self) -> Progress:
        """Return how far the calls have got."""
        with self._changed:
            left = [each for each in [*self._queue, *self._running] if each.asker]
            each_left = [self._remaining(each) for each in left]
            # However many cores are free in the end, one call is never divided among them.
            seconds = max(max(each_left, default=0.0), sum(each_left) / self.size)
            # A first small one tells little of the rest: most of its seconds went into the start of a process.
            made, rest = sum(cost for cost, _ in self._times), sum(each.call.cost for each in left)
            seconds = seconds if self._times and made * 20 > rest else None
            return Progress(len(self._times), len(left), seconds)

    def _remaining(self, queued: _Queued) -> float:
        """Return about how many seconds a call still takes, by those that have ended."""
        cost, seconds = map(sum, zip(*self._times, strict=True)) if self._times else (1.0, 0.0)
        return max(
            0.0, queued.call.cost * seconds / max(cost, 1.0) - (time.monotonic() - queued.began) * bool(queued.began)
        )

    def _next(self) -> _Queued | None:
        """Return what is to be made next, the longest; None while there is no core for it."""
        computing = self.kernels - len({each.pid for each in [*self._askers, *self._alone]})
        # A kernel that counts as computing may wait for what one with calls in the queue holds, a lock of a file.
        starved = not self._running and any(time.monotonic() - each.asked > _STARVED for each in self._queue)
        if not self._queue or (len(self._running) + max(0, computing) >= self.size and not starved):
            return None
        busy = frozenset().union(*(each.call.leaves for each in self._running))
        free = [each for each in self._queue if not each.call.leaves & busy]
        if self._alone:  # it waits for those that run: what ends before them does not make it wait longer
            last = max(map(self._remaining, self._running), default=0.0)
            free = [each for each in free if self._times and self._remaining(each) < last]
        return max(free, key=lambda each: each.call.cost, default=None)

    def _work(self) -> None:
        """Make calls until the pool ends, in a process that is started for the first of them."""
        worker = None
        while True:
            with self._changed:
                while not self._changed.wait_for(lambda: self._ended or self._next(), timeout=_STARVED / 10):
                    pass
                if self._ended:
                    break
                queued = self._next()
                self._queue.remove(queued)
                self._running.append(queued)
                queued.began = time.monotonic()
                queued.asker.count(1)
            worker, good, answer = self._made(worker, queued)
            with self._changed:
                self._running.remove(queued)
                queued.asker.count(-1)
                if good:
                    self._times.append((queued.call.cost, time.monotonic() - queued.began))
                there = queued.call.leaves if good else frozenset()
                same = [each for each in self._queue if each.call.leaves and each.call.leaves <= there]
                self._queue = [each for each in self._queue if each not in same]
                queued.asker.answer(queued.number, good, answer)
                for each in same:
                    each.asker.count(0)
                    each.asker.left -= 1
                    each.asker.answer(each.number, True, None)
                self._changed.notify_all()
            if worker and worker.killed:  # when it had just answered
                self._end(worker)
                worker = None
        if worker:
            worker.end()

    def _made(self, worker: _Worker | None, queued: _Queued) -> tuple[_Worker | None, bool, bytes]:
        """Make a call; return the worker that is left for the next, whether it went well, and the answer."""
        while True:
            if worker and worker.dead():  # between two calls, of which neither is to blame
                self._end(worker)
                worker = None
            used = worker is not None
            try:
                worker = worker or self._start()
                with self._changed:
                    if queued.asker not in self._askers:
                        return worker, False, b""
                    queued.worker = worker
                good, stale, answer = worker.make(queued.call.pickled, limit=self.memory)
            except (EOFError, OSError) as problem:
                if worker is None:
                    lost = f"the process to train it could not be started: {problem}"
                else:
                    self._forget(worker)
                    lost = f"the process that trained it ended with {worker.last_words()}"
                    if used and not worker.given:  # it was dead before it had the call
                        worker = None
                        continue
                return None, False, pickle.dumps(RuntimeError(f"{queued.call.label}: {lost}"))
            except Exception as problem:  # an answer that cannot be read, say; nobody is to wait for ever
                if worker in self._workers:
                    self._end(worker)
                return None, False, pickle.dumps(RuntimeError(f"{queued.call.label}: {problem!r}"))
            if stale and used:
                self._end(worker)
                worker = None
                continue
            if worker.too_large():
                self._end(worker)
                worker = None
            return worker, good, answer

    def _start(self) -> _Worker:
        with self._changed:
            if self._ended:
                raise EOFError
            self._started += 1
            self._workers.append(worker := _Worker(self.environment, Path(self._home, f"{self._started}.txt")))
            return worker

    def _end(self, worker: _Worker) -> None:
        self._forget(worker)
        worker.end()

    def _forget(self, worker: _Worker) -> None:
        with self._changed:
            self._workers.remove(worker)

    def _listen(self) -> None:
        while not self._ended:
            try:
                connection = self._listener.accept()
            except OSError:  # closed, or whoever asked has gone meanwhile
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        """Take what a kernel asks for, and keep it until it closes the connection: it has all, or is no more.

        What is then still being made for it ends at once, as it would in processes of its own; a training goes on from
        its last finished epoch when somebody asks again.
        """
        with contextlib.closing(connection), contextlib.suppress(EOFError, OSError):
            kind, pid, asked = connection.recv()
            if self._held_above(pid):
                if kind == "alone":  # it has what it asks for
                    connection.send(None)
                else:
                    why = RuntimeError("trainings cannot be asked for while the machine is held alone")
                    connection.send((0, False, pickle.dumps(why)))
                connection.recv()
                return
            if kind == "alone":
                self._leave(connection, pid, still=asked)
                return
            asker = _Asker(connection, pid, size=self.size, left=len(asked))
            mine = [_Queued(Call(*about), number, asker) for number, about in enumerate(asked)]
            with self._changed:
                self._askers.append(asker)
                self._queue += mine
                self._changed.notify_all()
            try:
                connection.recv()
            finally:
                with self._changed:
                    self._queue = [each for each in self._queue if each.asker is not asker]
                    self._askers.remove(asker)
                    for each in self._running:
                        if each.asker is asker and each.worker:
                            each.worker.killed = True
                            each.worker.process.kill()
                    asker.count(0)
                    self._idle[pid] = self._idle.get(pid, 0.0) + asker.idle
                    self._changed.notify_all()

    def _held_above(self, pid: int) -> bool:
        """Whether a process that this one was started by has the machine alone, and so waits for it in the end."""
        with self._changed:
            holders = {each.pid for each in self._alone[:1] if each.since is None}
        with contextlib.suppress(psutil.Error):
            return bool(holders) and not holders.isdisjoint(each.pid for each in psutil.Process(pid).parents())
        return False

    def _leave(self, connection: Connection, pid: int, *, still: bool) -> None:
        """Leave the machine to a kernel until it closes the connection."""
        own, stopped, turn = _Alone(connection, pid), [], False
        with self._changed:
            self._alone.append(own)
        try:
            turn = self._has_turn(own)
            if not turn:
                return
            settled = not still
            while not settled:
                before = len(stopped)
                settled = self._stop_others(pid, stopped)
                if len(stopped) == before:  # the next look is in a while: others are on their way and not there yet
                    break
            with self._changed:
                self._idle[pid] = self._idle.get(pid, 0.0) + time.monotonic() - own.since
                own.since = None
            connection.send(None)
            while not self._ended and not connection.poll(None if settled else _LOOK):  # it says no more, it closes
                settled = self._stop_others(pid, stopped)
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.Error):
                    process.resume()
            with self._changed:
                if turn:  # who dies in the queue leaves to another what that one has stopped
                    for first, since in self._stopped.items():
                        self._idle[first] = self._idle.get(first, 0.0) + time.monotonic() - since
                    self._stopped.clear()
                self._alone.remove(own)
                self._changed.notify_all()

    def _has_turn(self, own: _Alone) -> bool:
        """Wait until it is a kernel's turn to have the machine; return whether it is still there to have it."""
        with self._changed:
            while not self._changed.wait_for(
                lambda: self._ended or (self._alone[0] is own and not self._running), timeout=0.5
            ):
                if own.connection.poll(0):  # closed: it died, and nobody is to wait for it
                    return False
        return True

    def _stop_others(self, pid: int, stopped: list[psutil.Process]) -> bool:
        """Stop the other kernels and what they started; return whether no more can come.

        A look at all processes costs some hundredths of a second, so nobody is to look more often than needed.
        """
        before, trees = len(stopped), self._others(pid)
        for first, tree in trees.items():
            for process in tree:
                if process not in stopped:
                    with contextlib.suppress(psutil.Error):
                        process.suspend()
                    stopped.append(process)
            with self._changed:
                waiting = {each.pid for each in [*self._askers, *self._alone]}  # whose seconds count already
                if tree and not waiting & {process.pid for process in tree}:
                    self._stopped.setdefault(first, time.monotonic())
        with self._changed:  # one of those that are counted may not even have a process yet
            every = len(trees) >= self.kernels - 1
        return len(stopped) == before and every and all(trees.values())

    def _others(self, pid: int) -> dict[int, list[psutil.Process]]:
        """Return for each process of another notebook its kernel and what this started, each after who started it.

        The processes themselves go on: they end their kernels in the end.
        """
        own, workers = psutil.Process(), {worker.process.pid for worker in [*self._workers]}
        first, trees = {}, {}
        for each in own.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                parent = each.ppid()
                if parent == own.pid and each.pid not in workers:
                    first[each.pid], trees[each.pid] = each.pid, []
                elif parent in first:
                    first[each.pid] = first[parent]
                    trees[first[parent]].append(each)
        mine = first.get(pid)
        return {one: tree for one, tree in trees.items() if one != mine}
