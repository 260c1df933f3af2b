"""Read a rendered report back: its sections with their text, and its figures.

The front page describes the pages as they stand on disk, so it is made from them and not from what made them.
"""

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

_VOID = {"meta", "link", "br", "hr", "img", "col", "input", "circle", "line", "path", "rect", "polyline", "image"}
_BLOCKS = {"p", "li", "td", "th", "tr", "div", "figcaption", "caption", "dt", "dd", "blockquote", "pre", "table"}
# Not prose: what a reader would not look for by its words.
_SKIPPED_CLASSES = {"code", "stream", "error", "anchor", "atlas", "onward", "opening", "tools"}
_HEADINGS = {"h2", "h3"}


@dataclass(frozen=True)
class Section:
    """A part of a page under one heading (or, with an empty anchor, before the first), with its text."""

    anchor: str
    heading: str
    text: str


@dataclass(frozen=True)
class Figure:
    """A figure of a page. `chart` is plotly's data and layout, or None; `source` is a picture's data address."""

    anchor: str  # of the section it stands in
    alt: str
    chart: dict[str, Any] | None = None
    source: str = ""
    invert: bool = False
    key: bool = False  # the author marked its cell as the one to show outside


@dataclass(frozen=True)
class Page:
    """What a report's page holds, top to bottom."""

    sections: tuple[Section, ...]
    figures: tuple[Figure, ...]

    @property
    def anchors(self) -> tuple[str, ...]:
        """The anchors of its sections."""
        return tuple(section.anchor for section in self.sections if section.anchor)

    @property
    def key_figure(self) -> Figure | None:
        """The figure marked as key; else the first chart; else the first picture; None where there is none."""
        marked = [figure for figure in self.figures if figure.key]
        charts = [figure for figure in self.figures if figure.chart]
        return next(iter([*marked, *charts, *self.figures]), None)


def read(page: str) -> Page:
    """Return the sections and figures inside the `main` element of a rendered report."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.end_section()
    return Page(tuple(reader.sections), tuple(reader.figures))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sections: list[Section] = []
        self.figures: list[Figure] = []
        self._anchor = self._heading = ""
        self._words: list[str] = []
        self._stack: list[str] = []
        self._main = self._skip = self._key = 0  # depth of the stack at which each began; 0 is outside
        self._in_heading = False
        self._figure: dict[str, Any] | None = None
        self._island: list[str] | None = None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        classes = set((given.get("class") or "").split())
        if tag == "img" and self._figure is not None:
            self._figure |= {"alt": given.get("alt") or "", "source": given.get("src") or ""}
            self._figure["invert"] = "invert" in classes
        if tag in _VOID:
            return
        self._stack.append(tag)
        depth = len(self._stack)
        if tag == "main":
            self._main = depth
        if not self._main or self._skip:
            return
        if classes & _SKIPPED_CLASSES or tag in {"nav", "svg", "style"}:
            self._skip = depth
        elif "data-key" in given:
            self._key = depth
        elif tag == "figure" and classes & {"plot", "picture"}:
            self._figure = {"anchor": self._anchor, "alt": given.get("aria-label") or "", "key": bool(self._key)}
        elif tag == "script":
            self._island = []
        elif tag in _HEADINGS and given.get("id"):
            self.end_section()
            self._anchor, self._heading, self._in_heading = given["id"], "", True
        elif tag in _BLOCKS:
            self._words.append(" ")

    def handle_endtag(self, tag):
        if tag in _VOID or not self._stack:
            return
        depth = len(self._stack)
        self._stack.pop()
        if tag == "script" and self._island is not None:
            self._end_island()
        if tag == "figure" and self._figure is not None:
            if self._figure.get("chart") or self._figure.get("source"):
                self.figures.append(Figure(**self._figure))
            self._figure = None
        self._in_heading = self._in_heading and tag not in _HEADINGS
        if tag in _BLOCKS:
            self._words.append(" ")
        self._skip = 0 if depth == self._skip else self._skip
        self._key = 0 if depth == self._key else self._key
        self._main = 0 if depth == self._main else self._main

    def handle_data(self, text):
        if self._island is not None:
            self._island.append(text)
        elif self._main and not self._skip and "stand-in" not in self._stack:
            if self._in_heading:
                self._heading += text
            else:
                self._words.append(text)

    def end_section(self) -> None:
        text = " ".join("".join(self._words).split())
        if self._heading or text:
            self.sections.append(Section(self._anchor, " ".join(self._heading.split()), text))
        self._words = []

    def _end_island(self) -> None:
        text, self._island = "".join(self._island or []), None
        try:
            chart = json.loads(text)
        except ValueError:
            return
        if self._figure is not None and isinstance(chart, dict) and chart.get("data"):
            self._figure["chart"] = chart
