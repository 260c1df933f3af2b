"""The series' glossary: a page of terms and projects, and links from the first use of each on every page."""

import html
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from helpers.reporting.page import numbering, prose, site
from helpers.runtime.files import write_atomically

TERMS = site.TEMPLATES / "glossary.yaml"


@cache
def _read() -> dict:
    return yaml.safe_load(TERMS.read_text(encoding="utf-8"))


def terms() -> tuple[dict, ...]:
    """Return the terms: {term, words (how a text may name it), text (Markdown)}, by alphabet."""
    return tuple(sorted(_read()["terms"], key=lambda each: each["term"].lower()))


def projects() -> tuple[dict, ...]:
    """Return the examined projects: {name, address (of the repository, where it is known), text (Markdown)}."""
    return tuple(_read()["projects"])


def project(name: str) -> str:
    """Return where one of the examined projects is found: the address of its repository, else its place here."""
    known = {each["name"]: each.get("address") for each in projects()}
    return known.get(name) or f"glossary.html#{prose.anchor(name)}"


def link(fragment: str) -> str:
    """Return a page's text with the first use of each term linked to the glossary; code, headings, figures stay.

    So are examined projects and the works that the glossary lists linked to their own places, where nothing else is.
    """
    waiting = {f"glossary.html#{prose.anchor(each['term'])}": _pattern(each) for each in terms()}
    names = {project(each["name"]): {"words": [each["name"]]} for each in projects()}
    names |= {each["address"]: each for each in _read()["works"]}
    there = {html.unescape(address) for address in re.findall(r'<a\b[^>]*\shref="([^"]*)"', fragment)}
    waiting |= {address: _pattern(each, re.NOFLAG) for address, each in names.items() if address not in there}
    return numbering.in_prose(fragment, lambda text: _linked(text, waiting), apart={"figure", "table"})


def write(folder: Path, *, alone: bool = False, absent: Iterable[str] = ()) -> None:
    """Write glossary.html into a folder of pages, unless it is the same already. alone: there is no front page.

    absent: reports that the folder has no page of, see `site.without_links`.
    """
    listed = [each | {"anchor": prose.anchor(each["term"])} for each in terms()]
    template = site.environment().get_template("glossary.html.j2")
    page = template.render(terms=listed, projects=projects(), prose=prose.to_html, anchor=prose.anchor, alone=alone)
    page = site.without_links(page, absent)
    target = folder / "glossary.html"
    if not target.exists() or target.read_text(encoding="utf-8") != page:
        write_atomically(target, page)


def _pattern(term: dict, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern:
    words = (r"\s+".join(map(re.escape, words.split())) for words in term.get("words") or [term["term"]])
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])", flags)


def _linked(text: str, waiting: dict[str, re.Pattern]) -> str:
    """Link the first use of each name that waits, by its address, the earliest first; a word serves one only."""
    if not text.strip():
        return text
    hits = sorted((hit.start(), -hit.end(), address) for address, each in waiting.items() if (hit := each.search(text)))
    parts, at = [], 0
    for start, end, address in hits:
        if start >= at:
            kind = ' class="term"' if address.startswith("glossary.html") else ""
            parts += [text[at:start], f'<a{kind} href="{html.escape(address)}">{text[start:-end]}</a>']
            at = -end
            del waiting[address]
    return "".join([*parts, text[at:]])
