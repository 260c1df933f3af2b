"""Pictures as data: addresses, from outputs, attachments and files beside a notebook; what is none is not embedded."""

import base64
import binascii
import contextlib
import html
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from helpers.runtime import paths

SVG = "image/svg+xml"
_BEGINNINGS = {
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/gif": rb"GIF8[79]a",
    "image/webp": rb"RIFF....WEBP",
}
KINDS = ("image/png", SVG, "image/jpeg", "image/gif", "image/webp")  # the one to show comes first
LARGEST = 1_000_000  # bytes of a picture that prose refers to
_DATA = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)(;base64)?,(.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Around:
    """What stands around a piece of a notebook: folders of files, attachments, widgets, and who is told of losses."""

    folders: tuple[Path, ...] = ()
    attachments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    widgets: Mapping[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] = lambda words: None


def kind_of(raw: bytes) -> str | None:
    """Return the MIME type of a picture by how it begins; None for what is none."""
    for mime, beginning in _BEGINNINGS.items():
        if re.match(beginning, raw, re.DOTALL):
            return mime
    if b"<svg" in raw[:2000]:
        try:
            return SVG if ElementTree.fromstring(raw).tag.endswith("svg") else None
        except (ElementTree.ParseError, ValueError, LookupError):
            return None
    return None


def address(raw: bytes) -> str | None:
    """Return a picture as a data: address; as an image's source SVG can neither run scripts nor fetch anything."""
    mime = kind_of(raw)
    return f"data:{mime};base64,{base64.b64encode(raw).decode()}" if mime else None


def still(raw: bytes) -> tuple[bytes, bool]:
    """Return the first frame of a picture that moves, as PNG, and True; any other picture as it is, and False."""
    if kind_of(raw) not in ("image/gif", "image/webp"):
        return raw, False
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw)) as picture:
            if not getattr(picture, "is_animated", False):
                return raw, False
            frame = io.BytesIO()
            picture.convert("RGBA").save(frame, "PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return raw, False
    return frame.getvalue(), True


def decoded(payload: Any) -> bytes:
    """Return what base64 stands for; nothing for what is not base64."""
    text = "".join(payload) if isinstance(payload, list) else str(payload)
    try:
        return base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError):
        return b""


def in_prose(around: Around) -> Callable[[str, str, str], str]:
    """Return how to write an image of prose: (address, description, size as attributes) -> HTML.

    A file counts only inside the project: links that lead out of it, and files that are no pictures, are not followed.
    """

    def shown(url: str, alt: str, size: str) -> str:
        name = urlsplit(url).path.rpartition("/")[2] if len(url) < 200 and not url.startswith("data:") else ""
        words = html.escape(alt or name or "Picture without a description")
        if url.lower().startswith(("http://", "https://", "//")):
            link = f'<a href="{html.escape(url)}" rel="noopener noreferrer">{words}</a>'
            return f"{link} <small>(a picture elsewhere)</small>"
        raw, moves = still(_raw(url, around) or b"")
        source = address(raw) if raw and len(raw) <= LARGEST else None
        if source is None:
            why = "is larger than 1 MB" if raw and len(raw) > LARGEST else "is not to be had"
            around.say(f"a picture {why}: {name or 'data'}")
            return f"{words} <small>(a picture that {why})</small>"
        paper = ' style="background: #fff"' if source.startswith("data:" + SVG) else ""
        first = " <small>(its first frame: it moves in the notebook)</small>" if moves else ""
        return f'<img src="{source}" alt="{words}"{size}{paper}>{first}'

    return shown


def _raw(url: str, around: Around) -> bytes | None:
    if found := _DATA.fullmatch(url):
        return decoded(unquote(found[2])) if found[1] else unquote(found[2]).encode()
    if url.startswith("attachment:"):
        bundle = around.attachments.get(unquote(url.removeprefix("attachment:"))) or {}
        for mime in KINDS:
            if mime in bundle:
                raw = decoded(bundle[mime])
                return raw or ("".join(bundle[mime]).encode() if mime == SVG else None)
        return None
    if urlsplit(url).scheme:
        return None
    for folder in around.folders:
        with contextlib.suppress(OSError, ValueError):
            path = (folder / unquote(urlsplit(url).path)).resolve()
            inside = any(path.is_relative_to(home.resolve()) for home in (folder, paths.ROOT))
            if inside and path.is_file() and path.stat().st_size <= 20 * LARGEST:
                return path.read_bytes()
    return None
