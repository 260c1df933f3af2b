"""HTML that can show but not run: an allow-list of tags, attributes, classes, styles and addresses.

What a page cannot hold becomes something that it can: a drawing in SVG an image, a sound or a frame a word or a link,
the style sheet of a pandas Styler the style of its cells.
"""

import base64
import html
import re
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

import nh3

BLOCK_TAGS = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "div", "dl", "dt", "dd"),
    *("details", "summary", "center", "section"),
}
INLINE_TAGS = {
    *("a", "abbr", "b", "cite", "code", "del", "em", "i", "img", "ins", "kbd", "mark", "q", "s", "samp", "small"),
    *("span", "strong", "sub", "sup", "u", "var", "wbr"),
}
TABLE_TAGS = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
TAGS = BLOCK_TAGS | INLINE_TAGS | TABLE_TAGS
DROPPED = {
    *("script", "style", "iframe", "object", "embed", "template", "noscript", "svg", "math", "title", "audio", "video"),
    *("canvas", "select", "textarea", "button"),
}
_STYLED = {"style"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "details": {"open"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "th": {"colspan", "rowspan", "scope", "align"},
    "td": {"colspan", "rowspan", "align"},
    "tr": {"align"},
    "col": {"span"},
}
# Classes that report.css knows. An output may use these and no others, so it cannot dress up as page furniture.
_TABLE_CLASSES = {"id", "num", "text", "best", "muted", "total"}
_NOTES = {"alert", *(f"alert-{kind}" for kind in ("info", "warning", "success", "danger"))}
_CLASSES = dict.fromkeys(("caption", "tr", "th", "td", "span"), _TABLE_CLASSES) | {
    "table": _TABLE_CLASSES | {"data", "dataframe"},
    "div": _NOTES | _TABLE_CLASSES | {"data"},
    "li": {"task"},
    "sup": {"footnote-ref"},
    "section": {"footnotes"},
}
# What a fragment may say of its looks; a value is words, numbers, colours and these functions, never an address.
_PROPERTIES = {
    *("color", "background-color", "background", "font-weight", "font-style", "text-align", "text-decoration"),
    *("vertical-align", "white-space", "font-size", "font-family", "text-transform", "border-collapse", "padding"),
    *("border", *(f"border-{side}" for side in ("top", "right", "bottom", "left", "color", "style", "width"))),
}
_WIDTHS = {"width", "min-width", "max-width"}  # in tables alone, which slide in a box of their own
_HOVER = "--hover"  # the ground that report.css gives to what a pointer is over
_LONG = re.compile(r"\d{4}(?:\.\d+)?[a-z%]")  # a length that would push the page apart
_VALUE = re.compile(r"[\w\s#%.,()+-]{1,300}")
_FUNCTIONS = {"rgb", "rgba", "hsl", "hsla", "linear-gradient"}

_NUMERIC_CELL = re.compile(
    r'<td((?: style="[^"]*")?)>(\s*[-+−±]?(?:[0-9][0-9.,\u2009 ]*(?:e[-+]?[0-9]+)?\s?%?|nan|inf)\s*)</td>',
    re.IGNORECASE,
)
_MINUS = re.compile(r"(?<![\w.,–-])-(?=[\d.])")  # a hyphen that stands for a minus, neither in a range nor in 2e-7
_IMG = re.compile(r'<img((?: [\w-]+="[^"]*")*)>')
_SVG = re.compile(r"<svg\b.*?</svg\s*>", re.IGNORECASE | re.DOTALL)
_MEDIA = re.compile(r"<(audio|video|iframe|embed|object)\b([^>]*)>(?:(.*?)</\1\s*>)?", re.IGNORECASE | re.DOTALL)
_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style\s*>", re.IGNORECASE | re.DOTALL)


def clean(
    fragment: str,
    *,
    ids: Collection[str] = (),
    picture: Callable[[str, str, str], str] | None = None,
    address: Callable[[str], str] = lambda url: url,
) -> str:
    """Return HTML that can show but not run.

    Tables get a scrolling box of their own and cells that hold a number are marked `num` (right-aligned, tabular
    figures), with a true minus. ids: those that may stay. picture: given an image's address, its description and its
    size as attributes, the HTML in its place. address: where a link leads, given where it says.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return _style(value, tag)
        if name == "id":
            return value if value in ids else None
        if name == "href":
            return None if value.strip().lower().startswith(("data:", "attachment:")) else address(value)
        return value

    named = {tag: _ATTRIBUTES.get(tag, set()) | _STYLED | ({"id"} if ids else set()) for tag in TAGS}
    safe = nh3.clean(
        _MEDIA.sub(_medium, _SVG.sub(_drawing, fragment)),
        tags=TAGS,
        attributes=named,
        attribute_filter=attribute,
        allowed_classes=_CLASSES,
        clean_content_tags=DROPPED,
        url_schemes={"http", "https", "mailto", "data", "attachment"},
    )
    safe = _IMG.sub(lambda found: _image(found[1], picture), safe.replace(' class=""', ""))
    safe = _NUMERIC_CELL.sub(r'<td class="num"\1>\2</td>', safe)
    safe = re.sub(r'(?<=<td class="num")([^>]*>)([^<]*)', lambda cell: cell[1] + _MINUS.sub("−", cell[2]), safe)
    safe = safe.replace('<th scope="col"></th>', "<td></td>")  # a corner that heads nothing
    # nh3 closes what it opens, so plain replacement keeps the tree well formed.
    safe = re.sub(r"<table\b", '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table', safe)
    return safe.replace("</table>", "</table></div>")


def inline_styles(fragment: str) -> tuple[str, bool]:
    """Move the rules of a table's style sheet into the `style` of what they select; also say whether that was all.

    Only sheets of pandas count: of a Styler, whose rules begin with its table's id, and of a DataFrame, which repeat
    what a page does anyway. False when there was another sheet, without which the fragment may be a heap of words.
    """
    sheets = _STYLE.findall(fragment)
    if not sheets:
        return fragment, True
    rules = [rule for sheet in sheets for rule in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet)]
    heads = [part.strip() for selector, _ in rules for part in selector.split(",")]
    if not all(head.startswith(("#T_", ".dataframe")) for head in heads):
        return fragment, False
    from bs4 import BeautifulSoup
    from soupsieve import SelectorSyntaxError

    soup = BeautifulSoup(_STYLE.sub("", fragment), "html.parser")
    by_id = {element["id"]: element for element in soup.find_all(id=True)}
    for selector, declarations in rules:
        for head in selector.split(","):
            head = head.strip()
            if head.startswith(".dataframe"):
                continue
            if head.endswith(":hover"):
                head = head.removesuffix(":hover")
                ground = re.search(r"background(?:-color)?\s*:([^;]*)", declarations)
                declarations = f"{_HOVER}:{ground[1]}" if ground else ""
            try:
                chosen = [by_id[head[1:]]] if head[1:] in by_id else [] if " " not in head else soup.select(head)
            except (SelectorSyntaxError, NotImplementedError, ValueError):
                continue
            for element in chosen:
                element["style"] = f"{element.get('style', '')};{declarations}"
    return str(soup), True


def _style(value: str, tag: str) -> str | None:
    """Return the declarations that may stay. Ink without a ground of its own is mixed with the page's, to be read."""
    kept = {}
    for declaration in value.split(";"):
        name, _, said = (part.strip().lower() for part in declaration.partition(":"))
        if not _VALUE.fullmatch(said) or not set(re.findall(r"([\w-]*)\(", said)) <= _FUNCTIONS or _LONG.search(said):
            continue
        if name == _HOVER and (dark := _is_dark(said)) is not None:
            kept |= {name: said, f"{name}-ink": "#ffffff" if dark else "#16181c"}
        elif name in _PROPERTIES or (name in _WIDTHS and tag in TABLE_TAGS):
            kept[name] = said
    ground = kept.get("background-color") or kept.get("background")
    if ground and "gradient" not in ground:
        dark = _is_dark(ground)
        if dark is None:  # transparent, or nothing that is a colour
            kept.pop("background-color", None), kept.pop("background", None)
            ground = None
        else:
            kept.setdefault("color", "#ffffff" if dark else "#16181c")
    if "color" in kept and not ground:
        kept["color"] = f"color-mix(in srgb, {kept['color']} 55%, var(--ink))"
    return "; ".join(f"{name}: {said}" for name, said in kept.items()) or None


def _is_dark(colour: str) -> bool | None:
    from PIL import ImageColor

    try:
        red, green, blue, *alpha = ImageColor.getrgb(colour)
    except ValueError:
        return None
    return None if alpha == [0] else 0.299 * red + 0.587 * green + 0.114 * blue < 140


def _image(attributes: str, picture: Callable | None) -> str:
    said = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', attributes)}
    size = "".join(f' {name}="{said[name]}"' for name in ("width", "height") if said.get(name, "").isdecimal())
    url, alt = said.get("src", "").strip(), said.get("alt", "").strip()
    return picture(url, alt, size) if picture else html.escape(alt)


def _drawing(found: re.Match) -> str:
    title = re.search(r"<title[^>]*>([^<]*)</title>", found[0], re.IGNORECASE)
    text = found[0]
    if "xmlns=" not in text[: text.find(">")]:
        text = '<svg xmlns="http://www.w3.org/2000/svg"' + text[4:]
    encoded = base64.b64encode(text.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{encoded}" alt="{title[1] if title else "Drawing"}">'


def _medium(found: re.Match) -> str:
    """Return a word for a sound or a film, with its file's name, and a link for a frame."""
    kind, inside = found[1].lower(), found[2] + (found[3] or "")
    source = re.search(r"""\bsrc\s*=\s*["']?([^"'\s>]+)""", inside, re.IGNORECASE)
    url = html.unescape(source[1]) if source else ""
    if kind == "iframe" and url.lower().startswith(("http://", "https://")):
        return f'<p><a href="{html.escape(url)}">{html.escape(url)}</a> <small>(a page elsewhere)</small></p>'
    name = "" if url.lower().startswith("data:") else urlsplit(url).path.rpartition("/")[2]
    what = {"audio": "A sound", "video": "A film"}.get(kind, "A frame")
    named = f": {html.escape(name)}" if name else ""
    return f"<p><small>{what}{named} (in the notebook; a page plays nothing)</small></p>"
