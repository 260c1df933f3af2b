"""`make new NAME=12_mine`: a notebook to begin a report with, copied from a template that runs as it is.

    python -m helpers.reporting.new 12_mine

It has all that a report needs, and runs in every profile as it is.
"""

import re
import sys
from pathlib import Path

import nbformat

from helpers.runtime import paths
from helpers.runtime.files import write_atomically

TEMPLATE = Path(__file__).with_suffix(".ipynb")
_NAME = re.compile(r"[0-9]{2}_[a-z0-9]+(_[a-z0-9]+)*")


def new(name: str) -> Path:
    """Write notebooks/NAME.ipynb; return its path.

    Raises ValueError for a name that is not of the form 12_mine, or whose number or file is taken.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"NAME: got {name!r}; two digits and lower-case words are allowed, such as 12_mine")
    taken = sorted(path.name for path in paths.NOTEBOOKS.glob(f"{name[:2]}_*.ipynb"))
    if taken:
        raise ValueError(f"NAME: got {name!r}; a number that no notebook has is allowed, and there is {taken[0]}")
    notebook = nbformat.read(TEMPLATE, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("NAME", name)
    made = paths.NOTEBOOKS / f"{name}.ipynb"
    write_atomically(made, nbformat.writes(notebook) + "\n")
    return made


def main(arguments: list[str]) -> int:
    """Make the notebook that is named; return 0, or 2 when the name will not do."""
    try:
        made = new(arguments[0] if arguments else "")
    except (OSError, ValueError) as error:
        print(f"error: {error}")
        return 2
    print(f"{made.relative_to(paths.ROOT)}: change everything in it; `make reports NOTEBOOK={made.stem[:2]}` builds it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
