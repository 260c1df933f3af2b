"""An atlas of images: every one a card with its number, its label, what was read, who agrees and what lies nearest.

The page turns the cards into markup of its own (`reporting.page.atlas`); a notebook editor shows a plain sheet instead.
Each picture is cut from the same row that gives the card its number, in one place, so that the two cannot part.
"""

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import display

from helpers.data.dataset import Dataset
from helpers.figures import digits, style

MIME = "application/vnd.digits.atlas+json"


def png(image: np.ndarray) -> bytes:
    """Return a uint8 image (h, w), ink high, as a grey PNG with dark ink on white: pixel value 255 - ink.

    Raises ValueError for anything but uint8 (h, w).
    """
    if image.ndim != 2 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"image: got {image.dtype} {image.shape}; uint8 (h, w) is needed")
    height, width = image.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with 0: no filter
    rows[:, 1:] = 255 - image
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def cards(
    rows: Sequence[int],
    source: Dataset,
    *,
    read: Sequence[int],
    sure: Sequence[float],
    answers: Mapping[str, np.ndarray] | None = None,
    near: np.ndarray | None = None,
    near_in: Dataset | None = None,
    notes: Mapping[int, str] | None = None,
) -> list[dict]:
    """Make a card for each of `rows`, row numbers of `source`, in that order.

    read, sure: what was read and with which probability, one for each of `rows`. answers: reader -> labels for all of
    `source`. near: int (len(rows), k), rows of `near_in`, nearest first. notes: row -> a sentence. Raises ValueError
    for lengths that differ.
    """
    answers, notes = answers or {}, notes or {}
    wanted = {"read": (read, len(rows)), "sure": (sure, len(rows))}
    wanted |= {name: (values, len(source)) for name, values in answers.items()}
    wanted |= {} if near is None else {"near": (near, len(rows))}
    for name, (values, n) in wanted.items():
        if len(values) != n:
            raise ValueError(f"{name}: got {len(values)} entries, need {n}")
    made = []
    for place, row in enumerate(int(row) for row in rows):
        card = _picture(row, source) | {"read": int(read[place]), "sure": round(float(sure[place]), 4)}
        card["answers"] = [[name, int(values[row])] for name, values in answers.items()]  # a list: it keeps its order
        card["near"] = [] if near is None else [_picture(int(one), near_in) for one in near[place]]
        card["note"] = notes.get(row, "")
        made.append(card)
    return made


def _picture(row: int, source: Dataset) -> dict:
    png_text = base64.b64encode(png(source.images[row])).decode()
    return {"index": row, "label": int(source.labels[row]), "png": png_text}


def show(
    made: list[dict],
    source: Dataset,
    *,
    alt: str,
    caption: str = "",
    noun: str = "test image",
    near_noun: str = "training image",
) -> None:
    """Display an atlas of `cards`; `source` as given to them, for the sheet that an editor shows.

    noun, near_noun: what the numbers count. Raises ValueError for no cards or an empty `alt`.
    """
    if not made or not alt.strip():
        raise ValueError("made and alt: an atlas needs at least one card, and a sentence that says what it shows")
    payload = {"alt": alt, "caption": caption, "noun": noun, "near_noun": near_noun, "cards": made}
    sheet = digits.digit_sheet(
        source.images[[card["index"] for card in made[:60]]],
        [f"{card['index']}\n{card['label']} read as {card['read']}" for card in made[:60]],
    )
    display({MIME: payload, "text/plain": alt, "image/png": _as_png(sheet)}, raw=True)
    style.show_caption(caption)


def _as_png(figure) -> bytes:
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
    return buffer.getvalue()
