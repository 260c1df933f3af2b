"""Read somebody's own digits from a file or a folder, whichever of many formats it is."""

from pathlib import Path

import numpy as np

from helpers.data.dataset import Dataset, Mnist, build_dataset
from helpers.data.own import arrays, assembling, files, pictures, pieces, tables, values
from helpers.data.own.files import File
from helpers.data.own.pieces import Part

READERS = {
    "table": tables.of_csv,
    "parquet": tables.of_parquet,
    "idx": arrays.of_idx,
    "npy": arrays.of_npy,
    "npz": arrays.of_npz,
}
DEEPEST = 3  # folders below the one named in which the digits may lie
ALLOWED = (
    "tables (.csv, .csv.gz, parquet), arrays (.npz, .npy), IDX files, pictures in folders named 0 to 9, or a .zip of "
    "any of these are allowed (data/README.md)"
)


def read(place: Path, *, seed: int = 0) -> Mnist:
    """Return the digits in a file or folder as a source.

    Cheap things are checked first: names, headers, shapes, counts; then values. Raises ValueError for whatever does not
    fit, naming file, row and column, or position.
    """
    found, notes = parts(place)
    told, more = values.datasets(found)
    notes += more
    if "validation" in told:
        if "test" in told:
            told["train"] = _joined(told["train"], told.pop("validation"))
            notes.append("The validation part was put to the training part.")
        else:
            told["test"] = told.pop("validation")
            notes.append("The validation part serves as test part.")
    unlabelled = told.get("unlabelled")
    return assembling.assemble(
        place.name, told["train"], told.get("test"), unlabelled=unlabelled, notes=notes, seed=seed
    )


def parts(place: Path) -> tuple[dict[str, Part], list[str]]:
    """Return the parts in a file or folder as they are ("train", "test", "validation", "unlabelled"), and notes."""
    if not place.exists():
        raise ValueError(f"{place}: there is no such file or folder")
    named = File(place, place.name)
    try:
        return _of_folder(named) if place.is_dir() else _of_file(named)
    except OSError as error:
        raise ValueError(f"{error.filename or place}: cannot be read: {error.strerror or error}") from error


def _of_file(file: File) -> tuple[dict[str, Part], list[str]]:
    kind = files.kind_of(file)
    if kind == "zip":
        with files.unpacked(file) as folder:
            return _of_folder(folder)
    if kind not in READERS:
        what = "one picture" if kind == "picture" else "a file of another kind"
        raise ValueError(f"{file.name}: got {what}; {ALLOWED}")
    return pieces.together(READERS[kind](file), name=file.name), []


def _of_folder(folder: File) -> tuple[dict[str, Part], list[str]]:
    homes = _homes(folder)
    if len(homes) != 1:
        there = f"digits in {' and in '.join(home.name for home in homes[:3])}" if homes else "none"
        raise ValueError(f"{folder.name}: got {there}; {ALLOWED if not homes else 'one of them is allowed'}")
    (home,) = homes
    if plan := pictures.layout(home):
        return pictures.read(plan, name=folder.name, least=assembling.LEAST)
    data, archives = _data(home)
    if not data:
        return _of_file(archives[0])
    return pieces.together([piece for file in data for piece in READERS[files.kind_of(file)](file)], name=home.name), []


def _homes(folder: File, depth: int = 0) -> list[File]:
    """Return the folders in which digits lie: this one, or those below that do."""
    data, archives = _data(folder)
    if data or len(archives) == 1 or pictures.layout(folder):
        return [folder]
    if depth == DEEPEST:
        return []
    return [home for below in files.listing(folder)[1] for home in _homes(below, depth + 1)]


def _data(folder: File) -> tuple[list[File], list[File]]:
    """Return the files of tables and arrays in a folder, of a packed and an unpacked one alike the latter; archives."""
    kinds = {file: files.kind_of(file) for file in files.listing(folder)[0]}
    found = [file for file, kind in kinds.items() if kind in READERS]
    plain = {file.path.name: file for file in found}
    for file in list(found):
        twin = plain.get(file.path.name.removesuffix(".gz"))
        if twin not in (None, file):
            if twin.read() != file.read():
                raise ValueError(f"{folder.name}: {twin.path.name} and {file.path.name} differ; one of them is allowed")
            found.remove(file)
    return found, [file for file, kind in kinds.items() if kind == "zip"]


def _joined(one: Dataset, other: Dataset) -> Dataset:
    images, labels = (np.concatenate([getattr(part, what) for part in (one, other)]) for what in ("images", "labels"))
    return build_dataset(one.name, images, labels)
