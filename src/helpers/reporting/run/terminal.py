"""Tell a person at a terminal, or a log file, how a build is getting on."""

import shutil
import sys
import threading
from pathlib import Path

from helpers.reporting.run import pool
from helpers.reporting.run.execute import Progress
from helpers.runtime.progress import duration, unheard


class Terminal:
    """One moving line on a terminal for whatever runs; elsewhere one line per notebook and no carriage returns."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.expected: dict[str, float | None] = {}  # of the notebooks that run
        self.moving: dict[str, str] = {}
        self.trainings = ""  # of all notebooks, where they go through a pool
        self._lock = threading.RLock()  # each notebook is watched over by a thread of its own

    def say(self, text: str) -> None:
        """Write a line that stays."""
        with self._lock:
            self._clear()
            try:
                print(text, file=self.stream, flush=True)
            except BrokenPipeError:  # no reason to stop a build
                unheard(self.stream)

    def start(self, slug: str, why: list[str], expected: float | None) -> None:
        """Note which notebook starts, why, and how long it took last time (seconds)."""
        self.expected[slug] = expected
        if self.live:
            more = f" and {len(why) - 1} more" if len(why) > 1 else ""
            self.say(f"{slug}: {why[0]}{more}")

    def progress(self, slug: str, progress: Progress) -> None:
        """Show the cell, the time so far, what is left by the last run's time, and the kernel's last line."""
        if not self.live:
            return
        text = f"{slug}  cell {progress.cell}/{progress.cells or '?'}  {duration(progress.seconds)}"
        expected = self.expected.get(slug)
        if expected and expected > progress.seconds:
            text += f", about {duration(expected - progress.seconds)} left"
        self.moving[slug] = text
        self._move(progress.line)

    def calls(self, now: pool.Progress) -> None:
        """Show how many of the trainings known so far are left, and how long they take by those that have ended."""
        about = "" if now.seconds is None else f", about {duration(now.seconds)}"
        words = f"{now.left} of {now.left + now.done} trainings left{about}" if now.left else ""
        if self.live and words != self.trainings:
            self.trainings = words
            self._move()

    def _move(self, said: str = "") -> None:
        """Write the moving line: the trainings, then each notebook, by its number where there are several."""
        moving = self.moving.copy()
        texts = [text if len(moving) == 1 else text.replace(slug, slug[:2], 1) for slug, text in moving.items()]
        line = " | ".join(filter(None, [self.trainings, *texts]))
        if said and len(moving) == 1:
            line += f"  {said}"
        width = shutil.get_terminal_size().columns - 1
        with self._lock:
            self.stream.write("\r\x1b[2K" + line[:width])
            self.stream.flush()

    def done(self, slug: str, seconds: float) -> None:
        """Say that a notebook ran to its end."""
        self.moving.pop(slug, None)
        self.say(f"{slug}: executed in {duration(seconds)}")

    def failed(self, slug: str, seconds: float, error: str, page: Path) -> None:
        """Say that a notebook failed, with the last line of its error and where to read the rest."""
        self.moving.pop(slug, None)
        last = [line for line in error.splitlines() if line.strip()][-1]
        self.say(
            f"{slug}: FAILED after {duration(seconds)}: {last}\n  read {page}; the last good report stays in place"
        )

    def _clear(self) -> None:
        if self.live:
            self.stream.write("\r\x1b[2K")
