"""The command `python -m helpers.predict.train`: a reader for somebody's own digits, into build/own/NAME/model/."""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers.predict import shipped
from helpers.runtime import files, paths, progress

EXAMPLES = """
examples:
  python -m helpers.predict.train --source mine.npz --name mine
  python -m helpers.predict.train --source forms/ --name forms --seed 1 --replace
  python -m helpers.predict.train --source digit-recognizer/ --name kaggle --five
  python -m helpers.predict --model build/own/mine/model pictures/
  make try MODEL=build/own/mine/model

what is read:
  a file or a folder of labelled digits, from 500 images; data/README.md lists the formats.

what is made:
  build/own/NAME/model/          the network, and digits.json, which says how it was made and what it reaches
  build/own/NAME/submission.csv  where the source has a test part without labels, as Kaggle's

how:
  Training begins with the shipped network, on your digits alone and on yours beside MNIST's; what reads most of a
  held-out part of yours is taken, the shipped network as it is among them. Where it was trained on your very images,
  as on MNIST's under another name, or with --source-only, training begins afresh, on yours alone. Accuracy is measured
  on the test part, which nothing was trained or chosen on, beside the shipped network's on the same images.
  A name that exists is refused; with --replace the old network stays until the new one is whole. Interrupted, nothing
  is written, and the same command goes on from the last finished pass.

exit status:
  0 done; 1 it could not be made or written; 2 the request is wrong; 130 interrupted
"""
NAME = re.compile(r"\w[\w.-]{0,59}")
SUBMISSIONS = ("submission.csv", "submission_five.csv")
FIVE = 5


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; leaves the process with status 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.predict.train",
        description="Train a network on your own digits, measure it beside the shipped one, and keep it for predict.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--source", required=True, metavar="PATH", help="your digits: a file or a folder")
    parser.add_argument("--name", required=True, help="letters, digits, '.', '-' and '_': the folder in build/own/")
    parser.add_argument("--epochs", type=int, help="passes over the training images (default: by their number)")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the shuffling and the warps (default: 0)")
    parser.add_argument("--source-only", action="store_true", help="begin afresh and train on your digits alone")
    parser.add_argument("--five", action="store_true", help="four networks more, and submission_five.csv of their mean")
    parser.add_argument("--replace", action="store_true", help="put the new network in the place of one of this name")
    options = parser.parse_args(arguments)
    if not NAME.fullmatch(options.name):
        parser.error(f"--name: got {options.name!r}; letters, digits, '.', '-' and '_' are allowed, such as mine")
    if options.epochs is not None and options.epochs < 1:
        parser.error(f"--epochs: got {options.epochs}; a whole number from 1 is allowed")
    if options.seed < 0:
        parser.error(f"--seed: got {options.seed}; a whole number from 0 is allowed")
    if home(options.name).exists() and not options.replace:
        there = shown(home(options.name))
        parser.error(f"--name: got {options.name!r}, and there is {there}; another name, or --replace, is allowed")
    return options


def home(name: str) -> Path:
    """Return the folder of a network of this name."""
    return paths.BUILD / "own" / name / "model"


def shown(path: Path) -> str:
    """Return a path as a person would type it in the project's root."""
    return str(path.relative_to(paths.ROOT)) if path.is_relative_to(paths.ROOT) else str(path)


def read(place: str, *, seed: int):
    """Return the source (`Mnist`) at a path, from the working directory unless it is absolute.

    Raises ValueError for what is not there, and for what `load.load_source` refuses.
    """
    from helpers.data import load  # after the request was looked at

    path = Path(os.path.abspath(os.path.expanduser(place)))
    if not place or not path.exists():
        raise ValueError(f"--source: got {place!r}; an existing file or folder is needed")
    return load.load_source(str(path), seed=seed)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status (see EXAMPLES)."""
    progress.speak()
    options = parse(arguments)
    try:
        source = read(options.source, seed=options.seed)
        if options.five and source.unlabelled is None:
            raise ValueError(f"--five: {source.name} has no test part without labels to be submitted for")
    except (ValueError, OSError) as error:
        print(f"error: {files.explain(error)}", file=sys.stderr)
        return 2
    try:
        make(source, options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {files.explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written, and the same command goes on from the last finished pass")
        return 130
    return 0


def make(source, options: argparse.Namespace, *, base: Path | None = None) -> dict:
    """Train, choose, measure and write; say what came out; return the card. base: folder of the shipped network."""
    from helpers.predict import own as readers  # these take seconds; a wrong request should not
    from helpers.predict import own_card

    base, start = base or shipped.DIRECTORY, time.monotonic()
    own = readers.prepare(source, seed=options.seed, source_only=options.source_only)
    for line in (*own_card.about(own), *source.notes):
        print(f"{source.name}: {line}", flush=True)
    specs = readers.candidates(own, base, epochs=options.epochs, seed=options.seed)
    wait = progress.duration(readers.seconds(list(specs.values())))
    print(f"training {', and '.join(specs)}: about {wait} on two idle cores", flush=True)
    trials = [readers.attempt(name, spec, own, base) for name, spec in specs.items()]
    if own.begun:
        trials.append(readers.calibrated(readers.AS_IS, shipped.load(base).model, own, base))
    best = readers.choose(trials)
    card, right = own_card.describe(own, trials, best, base)
    print("\n".join(own_card.sentences(card)), flush=True)
    submissions = {}
    if own.unlabelled is not None:
        submissions[SUBMISSIONS[0]] = readers.submitted(own, best.logits, right)
    if options.five:
        submissions[SUBMISSIONS[1]] = _five(readers, own, trials, best, base)
    model = home(options.name)
    write(card, model, best.run, base)
    taken = progress.duration(time.monotonic() - start)
    print(f"{shown(model)}: written, {taken} in all. To read with it, and to try it:")
    print(f"  python -m helpers.predict --model {shown(model)} PICTURES\n  make try MODEL={shown(model)}")
    for name, (labels, expected) in submissions.items():
        _submit(model.with_name(name), labels, expected)
    return card


def _five(readers, own, trials: list, best, base: Path) -> tuple:
    """Train four networks more, of the kind that read most (the shipped one is but one), and let all five answer."""
    first = best if best.spec is not None else readers.choose([trial for trial in trials if trial.spec is not None])
    more = [replace(first.spec, seed=first.spec.seed + i) for i in range(1, FIVE)]
    print(f"training {len(more)} networks more, {first.name}: about {progress.duration(4 * first.run.seconds)}")
    logits = readers.average([first, *(readers.attempt(first.name, spec, own, base) for spec in more)])
    found, _ = readers.answers(own.test, readers.predictor(logits, 1.0))
    return readers.submitted(own, logits, found == own.test.labels)


def write(card: dict, model: Path, run, base: Path) -> None:
    """Write network and card to the folder `model`, whole or not at all; one that is there is replaced.

    run: None for the shipped network, which is copied.
    """
    from helpers.predict import ship

    files.make_directory(model.parent)
    with tempfile.TemporaryDirectory(dir=model.parent, prefix=".model-") as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        new.mkdir()
        if run is None:
            files.write_atomically(new / shipped.WEIGHTS, (base / shipped.WEIGHTS).read_bytes())
            sha256 = shipped.load_card(base)["sha256"]
        else:
            sha256 = ship.write_weights(run, new)
        text = json.dumps({**card, "sha256": sha256}, indent=1, ensure_ascii=False) + "\n"
        files.write_atomically(new / shipped.CARD, text)
        for name in SUBMISSIONS:  # of the network that goes
            model.with_name(name).unlink(missing_ok=True)
        if model.exists():
            model.rename(old)
        new.rename(model)


def _submit(path: Path, labels: np.ndarray, expected) -> None:
    from helpers.data import kaggle

    kaggle.write(path, labels)
    print(f"{shown(path)}: {len(labels):,} rows; of the score expect {expected}, if they are like your test images")


if __name__ == "__main__":
    sys.exit(main())
