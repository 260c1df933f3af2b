"""The full text of every report in one small script, so that the front page can search it from a folder."""

import json
from collections.abc import Iterable


def script(reports: Iterable[tuple[str, str, list[list[str]]]]) -> str:
    """Return assets/search.js: what is searched, as one assignment that a script element loads.

    `reports` are (page without .html, title, sections as on its card: [[anchor, heading, text], ...]). A page opened
    from a folder may load a script beside it, where it may not fetch data.
    """
    text = json.dumps(list(reports), ensure_ascii=False, separators=(",", ":"))
    # Line separators end a line in older JavaScript; "</" would matter only were the script ever put into a page.
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("</", "<\\/")
    return f"// Generated with the front page: the text of the reports, for its search.\nwindow.DIGITS_TEXT={text};\n"
