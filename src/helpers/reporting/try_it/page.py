"""The page on which a visitor draws a digit and the shipped network reads it: reports/try.html and assets/try/.

The page carries the network and its examples with it, so that it works from a folder. It is made again when what it is
made of has changed, which the page itself remembers: a look at it costs milliseconds.
"""

import json
import os
import re
import sys
from pathlib import Path

from markupsafe import Markup

from helpers.predict import shipped
from helpers.reporting.page import site
from helpers.reporting.run import freshness
from helpers.runtime import paths
from helpers.runtime.files import explain, write_atomically

PAGE = "try.html"
SOURCES = Path(__file__).parent
# In this order: each may use what those before it define.
SCRIPTS = (
    "images.js",
    "marks.js",
    "opening.js",
    "levels.js",
    "lines.js",
    "strokes.js",
    "preparing.js",
    "network.js",
    "model.js",
    "decoding.js",
    "pen.js",
    "paper.js",
    "page.js",
)
_STAMP = re.compile(r'<meta name="made-from" content="([0-9a-f]*) ?([0-9a-f]*)">')
_EMPTY = '<meta name="made-from" content="">'


def refresh(directory: Path, *, say=print, model: Path | None = None) -> bool:
    """Bring try.html in `directory` up to date and return whether that worked; say what was done or went wrong.

    A page that cannot be made leaves the one there is as it was. A project that ships no network (no folder `model`)
    has no such page.
    """
    model = model or paths.REPORTS / "model"
    if not model.is_dir() and not (directory / PAGE).exists():
        return True
    try:
        if write(directory, model):
            say(f"{PAGE}: made from the shipped network")
    except ValueError as error:
        say(f"error: {PAGE} was not made: {explain(error)}")
        return False
    return True


def write(directory: Path, model: Path) -> bool:
    """Write the page with its scripts where that is needed; return whether the page was.

    Raises ValueError where the network is missing, or is not the one that its card describes.
    """
    page = directory / PAGE
    sources = digest_of_sources(model)
    made = not is_made_from(page, sources)
    text = render(model, sources=sources) if made else ""
    for name in ("try.css", *SCRIPTS):
        source, target = (SOURCES / name).read_bytes(), directory / "assets" / "try" / name
        if not target.exists() or target.read_bytes() != source:
            write_atomically(target, source)
    if made:
        write_atomically(page, text)
    return made


def digest_of_sources(model: Path) -> str:
    """Return one digest of all that the page is made of; files that are missing count as empty."""
    files = [SOURCES / "try.html.j2", site.TEMPLATES / "base.html.j2", *sorted(SOURCES.glob("*.py"))]
    helpers = SOURCES.parents[1]
    files += [*sorted((helpers / "data" / "pictures").glob("*.py")), helpers / "predict" / "pipeline.py"]
    files += [model / "digits.json", model / "digits.keras", paths.MNIST / "SHA256SUMS"]
    contents = [(path.name, freshness.digest(path.read_bytes()) if path.is_file() else "") for path in files]
    return freshness.digest(json.dumps([*contents, SCRIPTS]))


def is_made_from(page: Path, sources: str) -> bool:
    """Say whether the page on disk was made from these sources, and is still as it was made."""
    if not page.is_file():
        return False
    text = page.read_text(encoding="utf-8", errors="replace")
    stamp = _STAMP.search(text)
    return bool(stamp) and stamp[1] == sources and stamp[2] == freshness.digest(_STAMP.sub(_EMPTY, text, count=1))


def _measured(card: dict) -> dict:
    """Return what the page says of how good a network is: the shipped one, or one for somebody's own digits."""
    found = card["measured_once_at_the_end"]
    if "own" not in card:
        measured = {"mnist": found["MNIST test"], "small": found["scikit-learn digits, 8 x 8"]}
        return {"own": None, "measured": measured}
    own = found[card["own"]["name"]]
    return {"own": card["own"], "found": own, "compared": card["compared"], "promised": card["promised"]}


def render(model: Path, *, sources: str = "") -> str:
    """Return the page for the network in `model`. Raises ValueError as `try_model.export` does."""
    from helpers.reporting.try_it import examples as try_examples
    from helpers.reporting.try_it import model as try_model  # numpy, h5py and the data: only for a page to be made

    exported = try_model.export(model)
    known, card = try_examples.known(), exported.card
    offered = card["examples"] if "own" in card else try_examples.examples()
    carried = {"network": exported.as_json(), "examples": offered, "known": known}
    text = (
        site.environment(SOURCES)
        .get_template("try.html.j2")
        .render(
            stamp="",
            scripts=SCRIPTS,
            card=card,
            place=model.relative_to(paths.ROOT) if model.is_relative_to(paths.ROOT) else model,
            rotation=card["run"]["spec"]["augmentation"]["rotation"],
            **_measured(card),
            known=len(known["labels"]),
            # base64 and short texts: nothing here could end the element, and "<" is escaped all the same
            model=Markup(json.dumps(carried, separators=(",", ":")).replace("<", "\\u003c")),
        )
    )
    return text.replace(_EMPTY, f'<meta name="made-from" content="{sources} {freshness.digest(text)}">', 1)


def main(arguments: list[str]) -> int:
    """Make the page of the network in a folder, beside it; return 0, or 2 where that cannot be.

    The shipped network's page lies with the reports, as `make reports` leaves it.
    """
    model = Path(os.path.abspath(arguments[0] if arguments and arguments[0] else paths.REPORTS / "model"))
    if not (model / shipped.CARD).is_file():
        print(
            f"error: MODEL: got {arguments[0]!r}; a folder with {shipped.CARD} is needed, such as build/own/mine/model"
        )
        return 2
    try:
        site.write_assets(model.parent / "assets")
        written = write(model.parent, model)
    except (ValueError, OSError) as error:
        print(f"error: {explain(error)}")
        return 2
    page = model.parent / PAGE
    page = page.relative_to(paths.ROOT) if page.is_relative_to(paths.ROOT) else page
    print(f"{page}: {'made' if written else 'as it was, for it is of this very network'}; open it in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
