"""What a build says while it runs: whole lines, whichever notebook's thread says them."""

import threading

from helpers.reporting.run.execute import Progress
from helpers.reporting.run.terminal import Terminal


class Screen:
    """A terminal; `meanwhile` is begun in another thread after the first thing that is written, and given time."""

    def __init__(self, meanwhile):
        self.written, self.meanwhile = [], threading.Thread(target=meanwhile)

    def isatty(self):
        return True

    def flush(self):
        pass

    def write(self, text):
        self.written.append(text)
        if len(self.written) == 1:
            self.meanwhile.start()
            self.meanwhile.join(0.3)


def test_what_two_threads_say_stands_on_lines_of_its_own():
    screen = Screen(lambda: terminal.say("02_two: executed"))
    terminal = Terminal(screen)
    terminal.say("01_one: executed")
    screen.meanwhile.join()
    assert "".join(screen.written) == "\r\x1b[2K01_one: executed\n\r\x1b[2K02_two: executed\n"


def test_the_moving_line_is_written_around_a_line_that_stays():
    screen = Screen(lambda: terminal.progress("02_two", Progress(1, 2, 3.0, "")))
    terminal = Terminal(screen)
    terminal.say("01_one: executed")
    screen.meanwhile.join()
    assert "".join(screen.written) == "\r\x1b[2K01_one: executed\n\r\x1b[2K02_two  cell 1/2  3.0 s"
