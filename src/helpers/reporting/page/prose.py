"""Markdown to safe HTML: headings with anchors, links between notebooks, nothing that can run."""

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

import mistune
import nh3
from markupsafe import Markup
from pygments import highlight as pygments_highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

# Bare inline tags an author may type in Markdown; anything else typed as HTML is shown as text.
_BARE_TAG = re.compile(r"</?(?:sub|sup|br|kbd|b|i|em|strong|small|cite|q|var)\s*/?>", re.IGNORECASE)
_WITH_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)

_BLOCK_TAGS = {
    "p",
    "br",
    "hr",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "div",
    "dl",
    "dt",
    "dd",
}
_INLINE_TAGS = {"a", "b", "cite", "code", "del", "em", "i", "kbd", "q", "small", "span", "strong", "sub", "sup", "var"}
_TABLE_TAGS = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "th": {"colspan", "rowspan", "scope"},
    "td": {"colspan", "rowspan"},
    "col": {"span"},
    **{f"h{level}": {"id"} for level in range(2, 7)},
}
# Classes that report.css knows. An output may use these and no others, so it cannot dress up as page furniture.
_TABLE_CLASSES = {"data", "dataframe", "id", "num", "text", "best", "muted", "total"}
_CLASSES = dict.fromkeys(("table", "caption", "tr", "th", "td", "span", "div"), _TABLE_CLASSES)
_DROP_WITH_CONTENT = {"script", "style", "iframe", "object", "embed", "template", "noscript", "svg", "math", "title"}
_SCHEMES = {"http", "https", "mailto"}

_NUMERIC_CELL = re.compile(
    r"<td>(\s*[-+−±]?(?:[0-9][0-9.,\u2009 ]*(?:e[-+]?[0-9]+)?\s?%?|nan|inf)\s*)</td>", re.IGNORECASE
)

_LISTING = re.compile(r'<pre class="listing".*?</pre>', re.DOTALL)
_BLOCK_EDGE = re.compile(rf"</?(?:{'|'.join(sorted(_BLOCK_TAGS | _TABLE_TAGS))})\b[^>]*>")

_MINUS = re.compile(r"(?<![\w.,–-])-(?=[\d.])")  # a hyphen that stands for a minus, neither in a range nor in 2e-7


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


def clean(fragment: str, *, headings: bool = False) -> str:
    """Return HTML that can show but not run: allowed tags, attributes, classes and link schemes only.

    Tables get a scrolling box of their own and cells that hold a number are marked `num` (right-aligned, tabular
    figures), with a true minus. Anchors (`id`) survive on
    headings when `headings`, which only our own Markdown may ask for.
    """
    attributes = _ATTRIBUTES if headings else {k: v - {"id"} for k, v in _ATTRIBUTES.items()}
    safe = nh3.clean(
        fragment,
        tags=_BLOCK_TAGS | _INLINE_TAGS | _TABLE_TAGS,
        attributes=attributes,
        allowed_classes=_CLASSES,
        clean_content_tags=_DROP_WITH_CONTENT,
        url_schemes=_SCHEMES,
    )
    safe = _NUMERIC_CELL.sub(r'<td class="num">\1</td>', safe)
    safe = re.sub(r'(?<=<td class="num">)[^<]*', lambda cell: _MINUS.sub("−", cell[0]), safe)
    safe = safe.replace('<th scope="col"></th>', "<td></td>")  # a corner that heads nothing
    # nh3 closes what it opens, so plain replacement keeps the tree well formed.
    safe = re.sub(r"<table\b", '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table', safe)
    return safe.replace("</table>", "</table></div>")


class _Renderer(mistune.HTMLRenderer):
    """Render Markdown with anchored headings; typed HTML beyond a few bare tags becomes visible text."""

    def __init__(self, taken: set[str] | None) -> None:
        super().__init__(escape=True)
        self.headings: list[Heading] = []
        self.code: list[tuple[str, str | None]] = []
        self._taken = taken  # None: headings get no anchor (prose that is itself an output)

    def heading(self, text: str, level: int, **attributes) -> str:
        level = max(level, 2)  # the page has one h1, its title
        if self._taken is None:
            return f"<h{level}>{text}</h{level}>\n"
        name = base = anchor(text)
        suffix = 2
        while name in self._taken:
            name, suffix = f"{base}-{suffix}", suffix + 1
        self._taken.add(name)
        self.headings.append(Heading(level, name, strip_tags(text)))
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def inline_html(self, text: str) -> str:
        return text if _BARE_TAG.fullmatch(text) else html.escape(text)

    def block_html(self, text: str) -> str:
        return f"<p>{html.escape(text)}</p>\n"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        if url.startswith("#"):
            # JupyterLab writes #The-held-out-test, the page #the-held-out-test: both reach the heading.
            url = "#" + anchor(url[1:])
        elif not _WITH_SCHEME.match(url):
            path, _, heading = url.partition("#")
            if path.endswith(".ipynb"):
                url = path.removesuffix(".ipynb") + ".html" + (f"#{anchor(heading)}" if heading else "")
        elif url.partition(":")[0].lower() not in _SCHEMES:
            return text
        return super().link(text, url, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return html.escape(text)  # figures come from cells; a page loads nothing else

    def block_code(self, code: str, info: str | None = None) -> str:
        self.code.append((code, info))
        return f"<pre><code>{html.escape(code)}</code></pre>\n"


def to_html(text: str, *, taken: set[str] | None = None) -> tuple[Markup, list[Heading]]:
    """Render Markdown.

    `taken` is the set of anchors in use on the page; it grows by those given out here. Without it headings get no
    anchor. Returns the HTML and the headings found.
    """
    renderer = _Renderer(taken)
    rendered = mistune.create_markdown(renderer=renderer, plugins=["table", "strikethrough"])(text)
    safe = clean(rendered, headings=True)
    # Two things are added after cleaning: the colours of Python, and a link to the heading itself.
    blocks = iter(renderer.code)
    safe = re.sub(r"<pre><code>.*?</code></pre>", lambda found: _listing(*next(blocks)) or found[0], safe, flags=re.S)
    for heading in renderer.headings:
        mark = f'<a class="anchor" href="#{heading.anchor}" aria-label="Link to this section">#</a>'
        opening = f'<h{heading.level} id="{heading.anchor}">'
        start = safe.find(opening)
        if start >= 0:
            end = safe.index(f"</h{heading.level}>", start)
            safe = safe[:end] + mark + safe[end:]
    return Markup(safe), renderer.headings


def _listing(code: str, info: str | None) -> str:
    return f'<pre class="listing" tabindex="0"><code>{python_html(code)}</code></pre>' if info == "python" else ""


@cache
def _formatter() -> HtmlFormatter:
    return HtmlFormatter(nowrap=True, classprefix="hl-")


def python_html(source: str) -> Markup:
    """Return Python source as highlighted, escaped HTML (spans with classes, no surrounding tag)."""
    return Markup(pygments_highlight(source.rstrip(), PythonLexer(stripnl=False), _formatter()).rstrip("\n"))
