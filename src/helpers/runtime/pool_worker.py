"""Make calls for the pool of a build, one after the other, in a process that keeps what it has loaded.

Started by `reporting.run.pool`; its one argument is the file descriptor over which calls come and answers go. It ends
when that, or its stdin, is closed.
"""

import faulthandler
import os
import pickle
import sys
import threading
import traceback
from multiprocessing.connection import Connection

from helpers.runtime.pool import Stale


def made(pickled: bytes) -> tuple[bool, bool, bytes]:
    """Make a pickled (function, arguments); return whether it ended well, whether it was stale, and the answer."""
    try:
        function, arguments = pickle.loads(pickled)
        return True, False, pickle.dumps(function(*arguments))
    except Exception as error:  # whatever a call raises is for whoever asked
        error.add_note(traceback.format_exc())
        stale = isinstance(error, Stale)
        try:
            pickle.loads(told := pickle.dumps(error))
        except Exception:  # an exception that cannot travel
            plain = RuntimeError(f"{type(error).__name__}: {error}")
            plain.add_note(error.__notes__[-1])  # where it was raised
            told = pickle.dumps(plain)
        return False, stale, told


def _end_with_parent() -> None:
    """Wait until the parent's end of stdin closes, then end: nobody wants the answer any more."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> None:
    """Answer until nobody asks."""
    faulthandler.enable()  # the build keeps standard error, for what a worker died of
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            call = connection.recv_bytes()
        except EOFError:
            return
        connection.send(made(call))


if __name__ == "__main__":
    main()
