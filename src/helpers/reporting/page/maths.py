"""TeX to MathML, which browsers draw without any script; only elements and attributes that draw survive."""

import functools
import html
import re
from xml.etree import ElementTree

_ELEMENTS = {
    *("math", "mrow", "mi", "mo", "mn", "ms", "mtext", "mspace", "msup", "msub", "msubsup", "mfrac", "msqrt", "mroot"),
    *("mover", "munder", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose"),
    *("mmultiscripts", "mprescripts", "none", "mlabeledtr"),
}
_ATTRIBUTES = {
    *("display", "stretchy", "fence", "form", "accent", "accentunder", "columnalign", "rowspacing", "columnspacing"),
    *("displaystyle", "scriptlevel", "mathvariant", "linethickness", "width", "height", "depth", "lspace", "rspace"),
    *("minsize", "maxsize", "separator", "largeop", "movablelimits", "symmetric", "columnlines", "rowlines"),
    "notation",
}
# Environments that latex2mathml does not know, or would number anew in every formula.
_ALIGNED = re.compile(r"\\(begin|end)\{(?:aligned|align|split|eqnarray\*?|gather\*?|gathered|multline\*?|alignat\*?)\}")
_UNNUMBERED = re.compile(r"\\(?:begin|end)\{(?:equation|displaymath|math)\*?\}|\\label\{[^}]*\}|\\(?:nonumber|notag)\b")


@functools.lru_cache(512)
def to_mathml(tex: str, *, display: bool) -> str | None:
    """Return TeX as a `<math>` element; None where it cannot be read or holds a command that is not known."""
    from latex2mathml.converter import convert_to_element

    tex = _ALIGNED.sub(r"\\\1{align*}", _UNNUMBERED.sub("", tex)).strip()
    if not tex or len(tex) > 20_000:
        return None
    try:
        root = convert_to_element(tex, display="block" if display else "inline")
        _strip(root)
    except Exception:  # it raises a dozen kinds, also IndexError and KeyError, for what is no TeX
        return None
    made = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    return None if "<mi>\\" in made else made


def _strip(element: ElementTree.Element) -> None:
    """Keep what draws, take entities for the characters that they stand for; everything else is refused."""
    for one in element.iter():
        if one.tag not in _ELEMENTS:
            raise ValueError(f"element: got {one.tag}")
        one.attrib = {name: value for name, value in one.attrib.items() if name in _ATTRIBUTES}
        one.text, one.tail = (html.unescape(text) if text else text for text in (one.text, one.tail))
