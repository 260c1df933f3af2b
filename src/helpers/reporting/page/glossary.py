"""The series' glossary: a page of terms, and links to it from the first use of each on every page."""

import re
from functools import cache
from pathlib import Path

import yaml

from helpers.reporting.page import prose, site
from helpers.runtime.files import write_atomically

TERMS = site.TEMPLATES / "glossary.yaml"
# Where a word is no prose, or already leads somewhere.
_APART = {
    *("a", "button", "code", "figure", "math", "nav", "pre", "script", "select", "style", "summary", "svg", "table"),
    *("h1", "h2", "h3", "h4", "h5", "h6"),
}
_TAG = re.compile(r"""<!--.*?-->|<(/?)([a-zA-Z][\w-]*)(?:[^"'>]|"[^"]*"|'[^']*')*>""", re.DOTALL)


@cache
def _read() -> dict:
    return yaml.safe_load(TERMS.read_text(encoding="utf-8"))


def terms() -> tuple[dict, ...]:
    """Return the terms: {term, words (how a text may name it), text (Markdown)}, by alphabet."""
    return tuple(sorted(_read()["terms"], key=lambda each: each["term"].lower()))


def link(fragment: str) -> str:
    """Return a page's text with the first use of each term linked to the glossary; code, headings, figures stay."""
    waiting = {prose.anchor(each["term"]): _pattern(each) for each in terms()}
    parts, apart, at = [], 0, 0
    for tag in _TAG.finditer(fragment):
        parts.append(fragment[at : tag.start()] if apart else _linked(fragment[at : tag.start()], waiting))
        parts.append(tag[0])
        at = tag.end()
        if (tag[2] or "").lower() in _APART:
            apart = max(0, apart + (-1 if tag[1] else 1))
    parts.append(fragment[at:] if apart else _linked(fragment[at:], waiting))
    return "".join(parts)


def write(folder: Path) -> None:
    """Write glossary.html into a folder of pages, unless it is the same already."""
    listed = [each | {"anchor": prose.anchor(each["term"])} for each in terms()]
    template = site.environment().get_template("glossary.html.j2")
    page = template.render(terms=listed, projects=_read()["projects"], prose=prose.to_html)
    target = folder / "glossary.html"
    if not target.exists() or target.read_text(encoding="utf-8") != page:
        write_atomically(target, page)


def _pattern(term: dict) -> re.Pattern:
    words = (r"\s+".join(map(re.escape, words.split())) for words in term.get("words", [term["term"]]))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])", re.IGNORECASE)


def _linked(text: str, waiting: dict[str, re.Pattern]) -> str:
    """Link the first use of each term that waits, the earliest first; a word serves one term only."""
    if not text.strip():
        return text
    hits = sorted((hit.start(), -hit.end(), name) for name, each in waiting.items() if (hit := each.search(text)))
    parts, at = [], 0
    for start, end, name in hits:
        if start >= at:
            parts += [text[at:start], f'<a class="term" href="glossary.html#{name}">{text[start:-end]}</a>']
            at = -end
            del waiting[name]
    return "".join([*parts, text[at:]])
