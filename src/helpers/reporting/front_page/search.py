"""The full text of every report in one small script, so that the front page can search it from a folder."""

import json
from collections.abc import Iterable

from helpers.reporting.front_page.sections import Section


def script(reports: Iterable[tuple[str, str, Iterable[Section]]]) -> str:
    """Return assets/search.js: what is searched, as one assignment that a script element loads.

    `reports` are (page without .html, title, sections). A page opened from a folder may load a script beside it,
    where it may not fetch data. Each entry is [page, title, [[anchor, heading, text], ...]].
    """
    entries = [
        [page, title, [[part.anchor, part.heading, part.text] for part in sections]]
        for page, title, sections in reports
    ]
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
    # Line separators end a line in older JavaScript; "</" would matter only were the script ever put into a page.
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("</", "<\\/")
    return f"// Generated with the front page: the text of the reports, for its search.\nwindow.DIGITS_TEXT={text};\n"
