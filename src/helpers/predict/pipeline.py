"""From work to answers: images decoded and prepared by a few processes, classified here, in the order they came.

Only a bounded number of pieces is under way at any time. A file that crashes its decoder's process costs that file
its answer and nothing else.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import numpy as np

from helpers.data.pictures.decoding import Unreadable, read_image
from helpers.data.pictures.preparing import SIDE, Prepared, prepare
from helpers.predict.sources import Work

AHEAD = 4  # pieces of work under way per process
BOTH = 0.98  # confidence: a picture that is read so surely as dark on light and as light on dark is read by a human
TURNED = "dark or light ink?"
UNKNOWN = "a digit it was not made for?"


@dataclass(frozen=True)
class Answer:
    """One row of the table: a digit with its confidence and the runner-up, or a `problem`."""

    name: str
    index: int | None
    digit: int | None = None
    confidence: float | None = None
    second: int | None = None
    second_confidence: float | None = None
    human: bool = True
    polarity: str = ""
    problem: str = ""
    doubt: str = ""


@dataclass(frozen=True, eq=False)
class Made:
    """What preparing a piece of work gave: images (n, 28, 28), zeros where problems[i] is not empty.

    unchanged: by position, the pictures that are to be read as they were handed in, too. turned: by position, what
    others are the other way round, light for dark.
    """

    images: np.ndarray
    polarities: list[str]
    problems: list[str]
    doubts: list[str]
    unchanged: dict[int, np.ndarray] = field(default_factory=dict)
    turned: dict[int, Prepared] = field(default_factory=dict)


def make(work: Work, polarity: str) -> Made:
    """Decode and prepare every image of a piece of work; nothing that is wrong with one stops the others."""
    images = np.zeros((len(work), SIDE, SIDE), np.uint8)
    polarities, problems, doubts = ([""] * len(work) for _ in range(3))
    unchanged, turned = {}, {}
    for i, source in enumerate(work.images or work.names):
        try:
            if isinstance(source, str) and work.images:
                raise Unreadable(source)
            prepared = prepare(read_image(source) if isinstance(source, str) else source, polarity=polarity)
        except Unreadable as problem:
            problems[i] = str(problem)
        else:
            images[i], polarities[i], doubts[i] = prepared.image, prepared.polarity, prepared.doubt
            if prepared.unchanged is not None:
                unchanged[i] = prepared.unchanged
            if prepared.turned is not None:
                turned[i] = prepared.turned
    return Made(images, polarities, problems, doubts, unchanged, turned)


def answer(
    work: Work, made: Made, probabilities: Callable, *, threshold: float, digits: Sequence[int] = range(10)
) -> list[Answer]:
    """Classify what was prepared; `probabilities` maps uint8 (n, 28, 28) to (n, 10).

    A picture that is to be read unchanged, too, gets the mean of both answers: sure only where they agree. Of a
    picture and what it is with light for dark, the answer is the surer one's; if both are sure, a human looks. digits:
    those that the network was made for; whatever it reads as another one goes to a human.
    """
    good = [i for i, problem in enumerate(made.problems) if not problem]
    scores = np.zeros((len(work), 10), np.float32)
    if good:
        scores[good] = probabilities(made.images[good])
    if made.unchanged:
        twice = list(made.unchanged)
        scores[twice] = (scores[twice] + probabilities(np.stack(list(made.unchanged.values())))) / 2
    polarities, doubts = list(made.polarities), list(made.doubts)
    if made.turned:
        others = probabilities(np.stack([other.image for other in made.turned.values()]))
        for (i, other), its in zip(made.turned.items(), others, strict=True):
            if its.argmax() != scores[i].argmax() and min(its.max(), scores[i].max()) >= BOTH:
                doubts[i] = doubts[i] or TURNED
            elif its.max() > scores[i].max():
                scores[i], polarities[i], doubts[i] = its, other.polarity, other.doubt
    order = np.argsort(-scores, axis=1, kind="stable")  # the lowest digit on ties
    answers = []
    for i, name in enumerate(work.names):
        index = None if work.indices is None else work.indices[i]
        if made.problems[i]:
            answers.append(Answer(name, index, problem=made.problems[i]))
            continue
        first, second = (int(digit) for digit in order[i, :2])
        sure = float(scores[i, first])
        doubt = doubts[i] or ("" if first in digits else UNKNOWN)
        human = bool(doubt) or sure < threshold
        chance = float(scores[i, second])
        answers.append(Answer(name, index, first, sure, second, chance, human, polarities[i], doubt=doubt))
    return answers


def run_here(pieces: Iterable[Work], polarity: str) -> Iterator[tuple[Work, Made]]:
    """Prepare piece after piece in this process."""
    for work in pieces:
        yield work, make(work, polarity)


class Pool:
    """Processes that prepare images; use it as a context. They start at once, while the network is loaded."""

    def __init__(self, processes: int):
        self._processes = processes
        self._executor = self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        # Not forked: TensorFlow's threads would be lost in the copy, their locks would not.
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(self._processes, mp_context=context, initializer=_leave_interrupts_alone)
        executor.submit(_nothing)
        return executor

    def run(self, pieces: Iterable[Work], polarity: str) -> Iterator[tuple[Work, Made]]:
        """Yield every piece with what was made of it, in order."""
        under_way: deque[tuple[Work, Future]] = deque()
        for work in pieces:
            under_way.append((work, self._submit(work, polarity)))
            if len(under_way) >= AHEAD * self._processes:
                yield self._finished(*under_way.popleft(), polarity)
        while under_way:
            yield self._finished(*under_way.popleft(), polarity)

    def _submit(self, work: Work, polarity: str) -> Future:
        try:
            return self._executor.submit(make, work, polarity)
        except BrokenProcessPool:
            self._executor = self._start()
            return self._executor.submit(make, work, polarity)

    def _finished(self, work: Work, future: Future, polarity: str) -> tuple[Work, Made]:
        try:
            return work, future.result()
        except BrokenProcessPool:
            return work, _joined([self._alone(piece, polarity) for piece in _singles(work)])

    def _alone(self, work: Work, polarity: str) -> Made:
        try:
            return self._submit(work, polarity).result()
        except BrokenProcessPool:
            return Made(np.zeros((1, SIDE, SIDE), np.uint8), [""], ["damaged: it makes the decoder crash"], [""])


def _singles(work: Work) -> list[Work]:
    indices = work.indices or [None] * len(work)
    images = [[image] for image in work.images] or [[]] * len(work)
    return [
        Work([name], None if index is None else [index], image)
        for name, index, image in zip(work.names, indices, images, strict=True)
    ]


def _joined(parts: list[Made]) -> Made:
    return Made(
        np.concatenate([part.images for part in parts]),
        [polarity for part in parts for polarity in part.polarities],
        [problem for part in parts for problem in part.problems],
        [doubt for part in parts for doubt in part.doubts],
        {i: part.unchanged[0] for i, part in enumerate(parts) if part.unchanged},  # each is of one image
        {i: part.turned[0] for i, part in enumerate(parts) if part.turned},
    )


def _leave_interrupts_alone() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to every process; the first one decides


def _nothing() -> None:
    """Make the pool start its processes."""
