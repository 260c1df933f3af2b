"""The small picture of a report: its key figure, sketched where it is a chart, shrunk where it is a picture."""

import base64
import html
import io

from markupsafe import Markup

from helpers.reporting.front_page import sketch
from helpers.reporting.front_page.sections import Figure

SIZE = (480, 300)  # pixels: twice what a card gives it, for fine screens
_COLOURS = 48


def of(figure: Figure | None) -> Markup:
    """Return the thumbnail of a figure as HTML, or nothing where there is no figure or it cannot be read."""
    if figure is None:
        return Markup("")
    if not figure.chart:
        return picture(figure)
    try:
        return sketch.svg(figure.chart, alt=figure.alt)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return Markup("")  # a figure of a shape that the sketcher does not know must not cost the front page


def picture(figure: Figure) -> Markup:
    """Return a PNG picture shrunk to a card; of one that is far too wide or too tall only a part is shown."""
    from PIL import Image, UnidentifiedImageError

    kind, _, payload = figure.source.partition(",")
    if not kind.startswith("data:image/png"):
        return Markup("")
    try:
        whole = Image.open(io.BytesIO(base64.b64decode(payload))).convert("RGBA")
    except (ValueError, OSError, UnidentifiedImageError):
        return Markup("")
    width, height = SIZE
    scale = min(1.0, height / whole.height)  # of a strip the left part is shown, of a sheet the upper
    if whole.width >= width:
        scale = max(scale, width / whole.width)
    small = whole.resize((max(1, round(whole.width * scale)), max(1, round(whole.height * scale))), Image.LANCZOS)
    small = small.crop((0, 0, min(small.width, width), min(small.height, height)))
    buffer = io.BytesIO()
    small.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    style = ' class="invert"' if figure.invert else ""
    size = f'width="{small.width // 2}" height="{small.height // 2}"'
    return Markup(f'<img src="{address}" alt="{html.escape(figure.alt)}" {size}{style}>')
