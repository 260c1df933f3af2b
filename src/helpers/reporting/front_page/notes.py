"""What many rows of the front page's tables have in common, said once, and in words."""

import re
from collections import Counter
from collections.abc import Iterable

# What reports note beside a result, and how a reader of the front page is told. Seconds have a column of their own.
WORDS = (
    (r"recorded \d{4}-\d\d-\d\d([^;]*?), trained in [\d,]+ s on", r"trained beforehand\1, and its result kept, on"),
    (r"recorded \d{4}-\d\d-\d\d([^;]*?), (?=\d+ trainings)", r"trained beforehand\1, and the results kept: "),
    (r",? mixed_bfloat16( each)?", " in 16-bit arithmetic (bfloat16)"),
)


def in_words(note: str) -> str:
    """Return the note of a result without what only the project's own records call by that name."""
    for pattern, words in WORDS:
        note = re.sub(pattern, words, note)
    return note


def shared(notes: Iterable[str]) -> dict[str, str]:
    """Return a letter for each note (in words) that several rows carry, in order of appearance."""
    counts = Counter(in_words(note) for note in notes if note)
    return dict(zip((note for note, n in counts.items() if n > 1), "abcdefghijklmnopqrstuvwxyz", strict=False))
