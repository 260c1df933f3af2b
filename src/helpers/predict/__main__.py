"""The command `python -m helpers.predict`: which digit is on these images?"""

import argparse
import sys
import time
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from helpers.data.pictures import levels
from helpers.data.pictures.decoding import Unreadable
from helpers.predict import pipeline, shipped, sources, table
from helpers.runtime import precision, progress

FEW = 32  # images that are not worth starting processes for

EXAMPLES = """
examples:
  python -m helpers.predict seven.png
  python -m helpers.predict scans/ --output predictions.csv
  python -m helpers.predict scans/ more/*.jpg --polarity dark-on-light --output predictions.csv
  python -m helpers.predict images.npz --threshold 0.99 --output -
  python -m helpers.predict scans/ --model build/own/mine/model

what is read:
  PNG, JPEG, TIFF, PGM, BMP, GIF and WebP of any size with one digit each; folders with their subfolders;
  .npz, .npy (n, height, width) and .csv (one image a row) of numbers on any scale.

exit status:
  0 done; an image that cannot be read has a row that says why, and is sent to a human
  1 nothing could be read, or the table could not be written
  2 the request is wrong
  130 interrupted; no table is written
"""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; leaves the process with status 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.predict",
        description="Say which digit is on each image, how sure that is, and which ones a human should look at.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("places", nargs="+", metavar="FILE_OR_FOLDER", help="an image, a folder, .npz, .npy or .csv")
    parser.add_argument("--output", metavar="FILE", help="table to write, - for standard output (default: sentences)")
    parser.add_argument(
        "--polarity", choices=levels.POLARITIES, default="auto", help="what ink looks like (default: found out)"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="confidence (0 to 1) below which a human should look (default: the model's)",
    )
    parser.add_argument(
        "--model", metavar="FOLDER", type=Path, help="another network, as made by helpers.predict.train"
    )
    parser.add_argument("--processes", type=int, help="processes that open images (default: one per core)")
    options = parser.parse_args(arguments)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        parser.error(f"--threshold: got {options.threshold}, a number from 0 to 1 is allowed")
    if options.processes is not None and options.processes < 1:
        parser.error(f"--processes: got {options.processes}, a whole number from 1 is allowed")
    if options.output not in (None, "-"):
        output = Path(options.output)
        if output.is_dir() or not output.parent.is_dir():
            parser.error(f"--output: {output} is not a file in an existing folder")
        if any(Path(place).is_file() and output.exists() and output.samefile(place) for place in options.places):
            parser.error(f"--output: {output} is among the files to be read")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status (see EXAMPLES)."""
    progress.speak()
    options = parse(arguments)
    try:
        return _run(options)
    except BrokenPipeError:
        progress.unheard(sys.stdout)
        return 1
    except (ValueError, OSError, Unreadable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; no table was written", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    found = sources.Found()
    output = None if options.output in (None, "-") else Path(options.output)
    work = sources.stream(options.places, skip=output, found=found)
    first, complete = sources.peek(work, FEW)
    if not first:
        raise ValueError(f"there is nothing to read in {', '.join(options.places)}")
    with ExitStack() as stack:
        pieces = chain(first, work)
        if complete and found.total <= FEW:
            made = pipeline.run_here(pieces, options.polarity)
        else:
            pool = stack.enter_context(pipeline.Pool(options.processes or precision.available_threads()))
            made = pool.run(pieces, options.polarity)
        network, digits = shipped.load(options.model), shipped.digits(options.model)
        threshold = network.threshold if options.threshold is None else options.threshold
        read = unread = human = 0
        start = time.monotonic()
        write = stack.enter_context(table.written(output) if output else table.shown(as_table=options.output == "-"))
        # Beside a file only, not among answers; None is: on a terminal.
        bar = stack.enter_context(tqdm(unit=" images", leave=False, disable=None if output else True))
        for piece, prepared in made:
            for answer in pipeline.answer(piece, prepared, network, threshold=threshold, digits=digits):
                read, unread, human = read + 1, unread + bool(answer.problem), human + answer.human
                if options.output or not _only_one(answer, found):
                    write(answer)
            bar.total = found.total
            bar.update(len(piece))
    if output:
        problems = f", {unread:,} of them because they cannot be read" if unread else ""
        seconds = time.monotonic() - start
        print(f"{output}: {read:,} images in {seconds:.1f} s; {human:,} for a human{problems}", file=sys.stderr)
    if _only_one(answer, found):
        raise Unreadable(table.line(answer))
    return 1 if unread == read else 0


def _only_one(answer: pipeline.Answer, found: sources.Found) -> bool:
    """Say whether the one image that was asked for cannot be read: an error then, rather than a row."""
    return bool(answer.problem) and found.complete and found.total == 1


if __name__ == "__main__":
    sys.exit(main())
