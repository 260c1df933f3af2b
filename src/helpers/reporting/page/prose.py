"""Markdown to safe HTML: anchored headings, formulas, pictures, links between notebooks, nothing that can run."""

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import mistune
from markupsafe import Markup
from nbconvert.filters.markdown_mistune import MarkdownWithMath, MathInlineParser
from pygments import highlight as pygments_highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, get_lexer_by_name
from pygments.util import ClassNotFound

from helpers.reporting.page import clean as cleaner
from helpers.reporting.page.maths import to_mathml
from helpers.reporting.page.pictures import Around, in_prose

_WITH_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
_TAG = re.compile(r"</?([a-z][a-z0-9]*)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:figure|table)-\d+")  # anchors that `numbering` gives
LONG = 24  # characters of a formula within a line
_PLUGINS = ("strikethrough", "table", "url", "task_lists", "def_list", "footnotes")

_LISTING = re.compile(r'<pre class="listing".*?</pre>', re.DOTALL)
_BLOCK_EDGE = re.compile(rf"</?(?:{'|'.join(sorted(cleaner.BLOCK_TAGS | cleaner.TABLE_TAGS))})\b[^>]*>")
# What is put in after cleaning stands as a number between two characters that no text may hold.
_HELD = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True)
class Heading:
    """A heading in a page: its level (2 to 6), its anchor and its text without markup."""

    level: int
    anchor: str
    text: str


def anchor(text: str) -> str:
    """Return the anchor of a heading: lower case, words joined by hyphens ("The test" -> "the-test")."""
    plain = unicodedata.normalize("NFKC", html.unescape(re.sub(r"<[^>]*>", "", text))).lower()
    return re.sub(r"[^\w]+", "-", plain).strip("-_") or "section"


def page_address(url: str) -> str:
    """Return where a link of a notebook leads on a page: 02_x.ipynb#The-data to 02_x.html#the-data."""
    path, mark, fragment = url.partition("#")
    if not _WITH_SCHEME.match(url) and path.endswith(".ipynb"):
        return f"{path[:-6]}.html{mark}{anchor(fragment) if fragment else ''}"
    return url if path else mark + anchor(fragment)


def strip_tags(fragment: str) -> str:
    """Return the text of an HTML fragment, entities resolved and white space collapsed."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", fragment)).split())


def words(fragment: str) -> str:
    """Return the text of an HTML fragment without its code, blocks and cells of a table set apart by a space."""
    return strip_tags(_BLOCK_EDGE.sub(" ", _LISTING.sub(" ", fragment)))


def passages(fragment: str, headings: list["Heading"]) -> list[tuple["Heading | None", str]]:
    """Return the text before the first heading (with None) and under each, of HTML and headings from `to_html`."""
    starts = [fragment.index(f'<h{heading.level} id="{heading.anchor}">') for heading in headings]
    pieces = [fragment[a:b] for a, b in zip([0, *starts], [*starts, len(fragment)], strict=True)]
    texts = [pieces[0], *(piece.partition("</h")[2].partition(">")[2] for piece in pieces[1:])]
    return list(zip([None, *headings], map(words, texts), strict=True))


def clean(fragment: str, around: Around | None = None, ids: set[str] | frozenset = frozenset()) -> str:
    """Return HTML of a notebook as a page can show it (see `clean.clean`)."""
    return cleaner.clean(fragment, ids=ids, picture=in_prose(around or Around()), address=page_address)


class _Inline(MathInlineParser):
    """As in pandoc, a dollar opens a formula only before a letter, and closes one only after: $5 and $6 are prices."""

    SPECIFICATION: ClassVar = {
        **MathInlineParser.SPECIFICATION,
        "inline_math_tex": r"(?<![$\\])\$(?=[^\s$])(?P<math_inline_tex>(?:[^$\\]|\\[\s\S])+?)(?<!\s)\$(?![\d$])",
    }


class _Renderer(mistune.HTMLRenderer):
    """Render Markdown; formulas, listings and marks beside headings are held back until the rest has been cleaned."""

    def __init__(self, taken: set[str] | None, around: Around) -> None:
        super().__init__(escape=False, allow_harmful_protocols=True)  # cleaning judges addresses
        self.headings: list[Heading] = []
        self.ids: set[str] = set()
        self.held: list[str] = []
        self._around = around
        self._taken = taken  # None: headings get no anchor (prose that is itself an output)

    def hold(self, safe: str) -> str:
        self.held.append(safe)
        return f"\ue000{len(self.held) - 1}\ue001"

    def release(self, text: str) -> str:
        return _HELD.sub(lambda found: self.held[int(found[1])] if int(found[1]) < len(self.held) else "", text)

    def _free(self, base: str) -> str:
        name, suffix, taken = base, 2, self.ids if self._taken is None else self._taken
        while name in taken or _NUMBERED.fullmatch(name):
            name, suffix = f"{base}-{suffix}", suffix + 1
        taken.add(name)
        self.ids.add(name)
        return name

    def heading(self, text: str, level: int, **attributes) -> str:
        level = max(level, 2)  # the page has one h1, its title
        if self._taken is None:
            return f"<h{level}>{text}</h{level}>\n"
        shown = self.release(text)
        name = self._free(anchor(shown))
        self.headings.append(Heading(level, name, strip_tags(shown)))
        mark = f'<a class="anchor" href="#{name}" aria-label="Link to this section">#</a>'
        return f'<h{level} id="{name}">{text}{self.hold(mark)}</h{level}>\n'

    def inline_html(self, text: str) -> str:
        """Keep what cleaning knows, as markup or as what must go; any other tag was meant as text, as in list<int>."""
        name = _TAG.match(text)
        known = not name or name[1].lower() in cleaner.TAGS | cleaner.DROPPED
        return text if known else html.escape(text)

    def block_html(self, text: str) -> str:
        return _TAG.sub(lambda found: self.inline_html(found[0]), text) + "\n"

    def block_code(self, code: str, info: str | None = None) -> str:
        return self.hold(listing(code, (info or "").split(maxsplit=1)[0] if (info or "").strip() else "")) + "\n"

    def inline_math(self, tex: str) -> str:
        return self._formula(tex, f"${tex}$", display=False)

    def block_math(self, tex: str) -> str:
        return self._formula(tex, f"$${tex}$$", display=True)

    def latex_environment(self, name: str, body: str) -> str:
        tex = f"\\begin{{{name}}}{body}\\end{{{name}}}"
        return self._formula(tex, tex, display=True)

    def _formula(self, tex: str, source: str, *, display: bool) -> str:
        made = to_mathml(tex, display=display)
        if made is None:
            self._around.say(f"a formula that cannot be set is shown as its source: {' '.join(tex.split())[:60]}")
            return self.hold(f"<code>{html.escape(source)}</code>")
        if not display and len(strip_tags(made)) > LONG:  # a telephone has no room for it, and no browser breaks it
            made = f'<span class="long-formula" tabindex="0">{made}</span>'
        return self.hold(made)

    def task_list_item(self, text: str, checked: bool = False) -> str:
        box = "☑ " if checked else "☐ "
        text = text.replace("<p>", "<p>" + box, 1) if text.startswith("<p>") else box + text
        return f'<li class="task">{text}</li>\n'

    # A page has one cell after the other, each with footnotes from 1: their anchors are told apart.
    def footnotes(self, text: str) -> str:
        return f'<section class="footnotes"><ol>\n{text}</ol></section>\n'

    def footnote_ref(self, key: str, index: int) -> str:
        there, here = self._footnote(index)
        again = "" if here in self.ids else f' id="{self._free(here)}"'
        return f'<sup class="footnote-ref"{again}><a href="#{there}">{index}</a></sup>'

    def footnote_item(self, text: str, key: str, index: int) -> str:
        there, here = self._footnote(index)
        back = self.hold(f'<a href="#{here}" aria-label="Back to the text">↩</a>')
        text = text.rstrip()
        text = f"{text[:-4]} {back}</p>" if text.endswith("</p>") else f"{text} {back}"
        return f'<li id="{self._free(there)}">{text}</li>\n'

    def _footnote(self, index: int) -> tuple[str, str]:
        if not hasattr(self, "_cell"):
            others = self._taken if self._taken is not None else set()
            self._cell = sum(bool(re.fullmatch(r"note-\d+-1", name)) for name in others) + 1
        return f"note-{self._cell}-{index}", f"note-{self._cell}-{index}-from"


def to_html(text: str, *, taken: set[str] | None = None, around: Around | None = None) -> tuple[Markup, list[Heading]]:
    """Render Markdown.

    `taken` is the set of anchors in use on the page; it grows by those given out here. Without it headings get no
    anchor. around: see `pictures.Around`. Returns the HTML and the headings found.
    """
    around = around or Around()
    renderer = _Renderer(taken, around)
    markdown = MarkdownWithMath(renderer, inline=_Inline(), plugins=map(mistune.plugins.import_plugin, _PLUGINS))
    own: Callable
    for name in ("task_list_item", "footnotes", "footnote_ref", "footnote_item"):  # plugins have registered theirs
        own = getattr(_Renderer, name)
        renderer.register(name, own)
    safe = clean(markdown.render(re.sub("[\ue000\ue001]", "", text)), around, renderer.ids)
    return Markup(renderer.release(safe)), renderer.headings


def without_pictures(fragment: str) -> str:
    """Return HTML of `to_html` with a word in place of each embedded picture, for a page that would be too large."""
    word = r"\1 <small>(a picture too large for this page)</small>"
    return re.sub(r'<img src="[^"]*" alt="([^"]*)"[^>]*>', word, fragment)


def listing(code: str, language: str) -> str:
    """Return a listing in Markdown, coloured where its language is known."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False) if language else None
    except ClassNotFound:
        lexer = None
    if lexer is None:
        return f"<pre><code>{html.escape(code)}</code></pre>"
    coloured = pygments_highlight(code.rstrip(), lexer, _formatter()).rstrip("\n")
    return f'<pre class="listing" tabindex="0"><code>{coloured}</code></pre>'


@cache
def _formatter() -> HtmlFormatter:
    return HtmlFormatter(nowrap=True, classprefix="hl-")


def python_html(source: str) -> Markup:
    """Return Python source as highlighted, escaped HTML (spans with classes, no surrounding tag)."""
    return Markup(pygments_highlight(source.rstrip(), PythonLexer(stripnl=False), _formatter()).rstrip("\n"))
