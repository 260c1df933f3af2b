"""Run one notebook through papermill in a process of its own, telling each step as a line of JSON on stdout.

Started by `execute.run`; reads its job as a line of JSON on stdin (source notebook, output path, parameters, cell time
limit, working directory) and ends when that stdin is closed. The parent owns the clock and the memory limit; this
process owns the kernel.
"""

import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import nbformat
import papermill.execute
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from helpers.reporting.run.execute import MARK, end_marked

# Seconds until a kernel may answer: while another has the machine alone it stands still, also amid its start. A kernel
# that never answers is for the parent, which does not count such seconds.
_STOPPED = 3600
OUTPUT_LIMIT = 4_000_000  # characters of text one notebook may print; a page is at most 1.5 MB


def tell(event: str, **details) -> None:
    """Write one event for the parent."""
    EVENTS.write(json.dumps({"event": event, **details}) + "\n")
    EVENTS.flush()


class OutputTooLarge(Exception):
    """A notebook printed more than a report can hold."""


class Lines:
    """A file-like object that passes the kernel's stream on as whole lines and counts what was printed."""

    def __init__(self, stream: str):
        self.stream, self.rest, self.total = stream, "", 0

    def write(self, text: str) -> None:
        self.total += len(text)
        if self.total > OUTPUT_LIMIT:
            raise OutputTooLarge(f"the notebook printed more than {OUTPUT_LIMIT:,} characters to {self.stream}")
        *whole, self.rest = (self.rest + text).split("\n")
        for line in whole:
            tell("line", stream=self.stream, text=line[:500])

    def flush(self) -> None:
        """Nothing is held back but an unfinished line."""


class Engine(NBClientEngine):
    """papermill's own engine, telling the parent when a code cell starts."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        total = sum(cell.cell_type == "code" for cell in nb_man.nb.cells)
        start = nb_man.cell_start

        def cell_start(cell, cell_index=None, **details):
            if cell.cell_type == "code":
                number = sum(c.cell_type == "code" for c in nb_man.nb.cells[: cell_index + 1])
                tell("cell", number=number, total=total)
            start(cell, cell_index, **details)

        nb_man.cell_start = cell_start
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def incomplete_cells(notebook: nbformat.NotebookNode) -> list[int]:
    """Return the numbers (from 1) of code cells that did not run to their end.

    papermill's own status can say `completed` after a killed kernel or `sys.exit(0)`, so only an execution
    count and the absence of an error output are trusted. A cell tagged `skip-execution` was not to run, one tagged
    `raises-exception` is to end in an error.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    unfinished = []
    for number, cell in enumerate(code, start=1):
        tags = cell.metadata.get("tags", [])
        failed = "raises-exception" not in tags and any(o.output_type == "error" for o in cell.outputs)
        if cell.source.strip() and "skip-execution" not in tags and (cell.execution_count is None or failed):
            unfinished.append(number)
    return unfinished


_raise = papermill.execute.raise_for_execution_errors


def raise_unless_meant(notebook: nbformat.NotebookNode, output_path: str) -> None:
    """Raise for cells that failed, as papermill does, but not for those tagged `raises-exception`, which it ignores."""
    meant = [c for c in notebook.cells if "raises-exception" in c.metadata.get("tags", []) and c.cell_type == "code"]
    kept = [cell.outputs for cell in meant]
    for cell in meant:
        cell.outputs = []
        cell.metadata.get("papermill", {}).pop("exception", None)
    try:
        _raise(notebook, output_path)
    finally:
        for cell, outputs in zip(meant, kept, strict=True):
            cell.outputs = outputs


def _end_with_parent(sockets: str | None) -> None:
    """Wait until the parent's end of stdin closes, then end the kernel and this process: nobody wants them any more."""
    while os.read(0, 4096):
        pass
    import psutil

    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    if mark := os.environ.get(MARK):
        end_marked(mark)
    if sockets:
        shutil.rmtree(sockets, ignore_errors=True)
    os._exit(1)


def main() -> int:
    """Execute the job on stdin; exit status 0 only when every code cell ran to its end."""
    job = json.loads(sys.stdin.readline())
    logging.getLogger("papermill").setLevel(logging.ERROR)
    notebook = nbformat.read(job["source"], as_version=4)
    # Kernels race for TCP ports when several runs start at once; a unix socket in a fresh short path cannot.
    # Its name tells `execute.run` whose it was, should this process be killed.
    sockets = tempfile.mkdtemp(prefix=f"nb-{os.getpid()}-") if os.name == "posix" else None
    threading.Thread(target=_end_with_parent, args=(sockets,), daemon=True).start()
    config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/k"}} if sockets else {})
    papermill_engines.register("digits", Engine)
    papermill.execute.raise_for_execution_errors = raise_unless_meant
    try:
        executed = papermill.execute.execute_notebook(
            notebook,
            job["output"],
            parameters=job["parameters"],
            engine_name="digits",
            kernel_name="python3",
            progress_bar=False,
            cwd=job["cwd"],
            execution_timeout=job["cell_timeout"],
            start_timeout=_STOPPED,
            iopub_timeout=_STOPPED,
            stdout_file=Lines("stdout"),
            stderr_file=Lines("stderr"),
            # Left off: it would move all that a cell prints before the first of what it displays.
            coalesce_streams=False,
            config=config,
        )
    except PapermillExecutionError as error:
        tell("error", cell=error.exec_count, name=error.ename, text="\n".join(error.traceback))
        return 1
    except Exception as error:  # whatever papermill, nbclient or the disk raised is the run's failure, told in words
        tell("error", cell=None, name=type(error).__name__, text=str(error))
        return 1
    finally:
        if sockets:
            with contextlib.suppress(OSError):
                for path in Path(sockets).iterdir():
                    path.unlink()
                os.rmdir(sockets)
    unfinished = incomplete_cells(executed)
    if unfinished:
        tell("error", cell=unfinished[0], name="Incomplete", text=f"code cells that did not finish: {unfinished}")
        return 1
    tell("done")
    return 0


if __name__ == "__main__":
    # The kernel's own output never reaches this stdout, but a library's stray print would break the protocol.
    EVENTS = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.exit(main())
