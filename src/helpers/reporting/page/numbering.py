"""Numbers for the captions of a page's figures and tables, anchors for both, and links where its text names one."""

import re
from collections.abc import Callable

_TAG = re.compile(r"""<!--.*?-->|<(/?)([a-zA-Z][\w-]*)(?:[^"'>]|"[^"]*"|'[^']*')*>""", re.DOTALL)
# Where a word is no prose, or already leads somewhere.
_APART = {
    *("a", "button", "code", "math", "nav", "pre", "script", "select", "style", "summary", "svg"),
    *("h1", "h2", "h3", "h4", "h5", "h6"),
}
_OPENING = re.compile(r"<(figure|table)\b([^>]*)>")
_CAPTION = re.compile(r"<(figcaption|caption)\b[^>]*>(?:\s*<p>)?")
# "Figure 3", "Tables 2 and 4"; not "Figure 3 of" or "in" another work.
_NAMED = re.compile(
    r"\b(figures?|tables?)\s+(\d+)((?:(?:,|,? and|,? or| to|–)\s*\d+)*)\b(?!\s+(?:of|in)\b)", re.IGNORECASE
)


def number(article: str, say: Callable[[str], None] = lambda words: None) -> str:
    """Return an article with "Figure 1." or "Table 1." before each caption, a link to the anchor that it stands in.

    Where the text names a figure or a table by number, it is linked; say: is told of one that the page lacks.
    """
    counts, opened, put = {"figure": 0, "table": 0}, {}, []
    for found in re.finditer(f"{_OPENING.pattern}|{_CAPTION.pattern}", article):
        if found[1]:
            opened[found[1]] = found.end(2)
            continue
        what = "figure" if found[3] == "figcaption" else "table"
        if (start := opened.pop(what, None)) is None:
            continue
        counts[what] += 1
        name = f"{what}-{counts[what]}"
        label = f'<a class="number" href="#{name}">{what.capitalize()} {counts[what]}.</a> '
        put += [(start, f' id="{name}"'), (found.end(), label)]
    parts, at = [], 0
    for place, text in sorted(put):
        parts += [article[at:place], text]
        at = place
    return _linked("".join([*parts, article[at:]]), counts, say)


def in_prose(fragment: str, change: Callable[[str], str], *, apart: set[str] | frozenset[str] = frozenset()) -> str:
    """Return HTML with its prose changed: text outside links, code, headings and the elements named in `apart`."""
    parts, depth, at, closed = [], 0, 0, _APART | apart
    for tag in _TAG.finditer(fragment):
        text = fragment[at : tag.start()]
        parts += [text if depth else change(text), tag[0]]
        at = tag.end()
        if (tag[2] or "").lower() in closed:
            depth = max(0, depth + (-1 if tag[1] else 1))
    return "".join([*parts, fragment[at:] if depth else change(fragment[at:])])


def _linked(article: str, counts: dict[str, int], say: Callable[[str], None]) -> str:
    def link(found: re.Match) -> str:
        what = found[1].lower().removesuffix("s")

        def one(words: str, n: str) -> str:
            if not 1 <= int(n) <= counts[what]:
                say(f"{what} {n} is named, and there are {counts[what]}")
                return words
            return f'<a href="#{what}-{int(n)}">{words}</a>'

        rest = re.sub(r"\d+", lambda more: one(more[0], more[0]), found[3])
        return one(f"{found[1]} {found[2]}", found[2]) + rest

    return in_prose(article, lambda text: _NAMED.sub(link, text))
