"""Own digits in every format: the same images come out of each, and what does not fit is said at once."""

import gzip
import io
import struct
import subprocess
import sys
import zipfile

import fastparquet
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from helpers.data import load
from helpers.data.own import pictures, reading, tables

MNIST = load.load_mnist()
N, N_TEST = 520, 60
X, Y = MNIST.train.images[:N], MNIST.train.labels[:N]
X_TEST, Y_TEST = MNIST.test.images[:N_TEST], MNIST.test.labels[:N_TEST]
PIXELS = [f"pixel{i}" for i in range(784)]


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def rows(images, labels=None, *, last=False):
    """Return a table of a label, where there is one, and pixels."""
    flat = images.reshape(len(images), -1)
    if labels is None:
        return flat
    return np.column_stack([flat, labels] if last else [labels, flat])


def csv(table, header=None, form="%d"):
    out = io.StringIO()
    np.savetxt(out, table, fmt=form, delimiter=",", header=",".join(header or ()), comments="")
    return out.getvalue().removeprefix("\n" if not header else "")


def put(place, files):
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


LABELLED = csv(rows(X, Y), ["label", *PIXELS])
KAGGLE = {
    "train.csv": LABELLED,
    "test.csv": csv(rows(X_TEST), PIXELS),
    "sample_submission.csv": "ImageId,Label\n1,0\n2,0\n",
}
IDX = {
    "train-images-idx3-ubyte": idx(X),
    "train-labels-idx1-ubyte": idx(Y),
    "t10k-images-idx3-ubyte": idx(X_TEST),
    "t10k-labels-idx1-ubyte": idx(Y_TEST),
}
PACKED = {f"{name}.gz": gzip.compress(content, 1) for name, content in IDX.items()}
TORCH = {f"MNIST/raw/{name}": content for name, content in {**IDX, **PACKED}.items()}
KERAS = {"x_train": X, "y_train": Y, "x_test": X_TEST, "y_test": Y_TEST}
SWAPPED = np.eye(784, dtype=int)[::-1]

# name -> files, what to point at, and what it has: "train" alone, a labelled "test", or an "unlabelled" part.
FORMATS = {
    "Kaggle's two files": (KAGGLE, "", "unlabelled"),
    "digit-recognizer.zip": ({"digit-recognizer.zip": zipped(KAGGLE)}, "digit-recognizer.zip", "unlabelled"),
    "a folder with nothing but a zip": ({"mine/digits.zip": zipped(KAGGLE)}, "mine", "unlabelled"),
    "train.csv alone": ({"train.csv": LABELLED}, "train.csv", "train"),
    "a folder with train.csv alone": ({"train.csv": LABELLED}, "", "train"),
    "packed table": ({"train.csv.gz": gzip.compress(LABELLED.encode(), 1)}, "train.csv.gz", "train"),
    "packed table that does not say so": ({"digits": gzip.compress(LABELLED.encode(), 1)}, "digits", "train"),
    "label last, named": ({"a.csv": csv(rows(X, Y, last=True), [*PIXELS, "Class"])}, "a.csv", "train"),
    "names as rows and columns": (
        {"mnist_train.csv": csv(rows(X, Y), ["label", *(f"{r}x{c}" for r in range(1, 29) for c in range(1, 29))])},
        "mnist_train.csv", "train",
    ),
    "columns that are only counted": ({"a.csv": csv(rows(X, Y), [str(i) for i in range(785)])}, "a.csv", "train"),
    "pixels counted, label named": ({"a.csv": csv(rows(X, Y), ["label", *map(str, range(784))])}, "a.csv", "train"),
    "no header, label first": ({"mnist_train.csv": csv(rows(X, Y))}, "mnist_train.csv", "train"),
    "no header, label last": ({"digits.csv": csv(rows(X, Y, last=True))}, "digits.csv", "train"),
    "no header, two files": (
        {"mnist_train.csv": csv(rows(X, Y)), "mnist_test.csv": csv(rows(X_TEST, Y_TEST))}, "", "test",
    ),
    "mnist_test.csv alone": ({"mnist_test.csv": csv(rows(X, Y))}, "mnist_test.csv", "train"),
    "x.csv and y.csv": ({"x.csv": csv(rows(X)), "y.csv": csv(Y)}, "", "train"),
    "images and labels, headed": (
        {"handwritten_images.csv": csv(rows(X), PIXELS), "handwritten_labels.csv": csv(Y, ["label"])}, "", "train",
    ),
    "four tables": (
        {"x_train.csv": csv(rows(X)), "y_train.csv": csv(Y), "X_test.csv": csv(rows(X_TEST)),
         "Y_test.csv": csv(Y_TEST)}, "", "test",
    ),
    "a table of decimals": ({"a.csv": csv(rows(X / 255, Y), ["label", *PIXELS], form="%.6f")}, "a.csv", "train"),
    "a table of 255.0": ({"a.csv": csv(rows(X, Y), ["label", *PIXELS], form="%.1f")}, "a.csv", "train"),
    "IDX": (IDX, "", "test"),
    "IDX, packed": (PACKED, "", "test"),
    "IDX, training part alone": ({k: v for k, v in IDX.items() if "train" in k}, "", "train"),
    "IDX with dots": ({k.replace("-idx", ".idx"): v for k, v in IDX.items()}, "", "test"),
    "torchvision's folder": (TORCH, "MNIST/raw", "test"),
    "torchvision's root": (TORCH, "", "test"),
    "keras": ({"mnist.npz": npz(**KERAS)}, "mnist.npz", "test"),
    "x and y": ({"a.npz": npz(x=X, y=Y)}, "a.npz", "train"),
    "X and y, flat, of decimals": ({"a.npz": npz(X=(X / 255).reshape(N, 784), y=Y.astype(float))}, "a.npz", "train"),
    "images and labels": ({"a.npz": npz(images=X[..., None], labels=Y[:, None], names=np.arange(3))}, "a.npz", "train"),
    "x_test without y_test": ({"a.npz": npz(x_train=X, y_train=Y, x_test=X_TEST)}, "a.npz", "unlabelled"),
    "an archive by another name": ({"a.dat": npz(**KERAS)}, "a.dat", "test"),
    "four .npy": ({f"{key}.npy": npy(array) for key, array in KERAS.items()}, "", "test"),
    "zip of a folder": ({"a.zip": zipped({f"deep/er/{k}": v for k, v in PACKED.items()})}, "a.zip", "test"),
    "dark on light": ({"a.npz": npz(**{k: 255 - v if k[0] == "x" else v for k, v in KERAS.items()})}, "a.npz", "test"),
    "from -1 to 1": ({"a.npz": npz(x=X / 127.5 - 1, y=Y)}, "a.npz", "train"),
    "sixteen bits": ({"a.npz": npz(x=X.astype(np.uint16) * 257, y=Y)}, "a.npz", "train"),
}  # fmt: skip


def told(images, labels):
    return sorted(zip((image.tobytes() for image in images), map(int, labels), strict=True))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_digits(tmp_path, kind):
    files, point_at, has = FORMATS[kind]
    source = load.load_source(str(put(tmp_path / "mine", files) / point_at))
    if has == "test":
        assert np.array_equal(source.train.images, X)
        assert np.array_equal(source.train.labels, Y)
        assert np.array_equal(source.test.images, X_TEST)
        assert np.array_equal(source.test.labels, Y_TEST)
    else:
        assert told(source.pooled.images, source.pooled.labels) == told(X, Y)
        assert len(source.test) == round(N / 3)
    if has == "unlabelled":
        assert np.array_equal(source.unlabelled.images, X_TEST)
        assert source.unlabelled.labels is None
    else:
        assert source.unlabelled is None
    assert source.name == (point_at or "mine").rpartition("/")[2]
    assert not source.is_mnist


def test_a_validation_part_is_put_to_use(tmp_path):
    parts = {"train.csv": LABELLED, "valid.csv": csv(rows(X_TEST, Y_TEST), ["label", *PIXELS])}
    source = load.load_source(str(put(tmp_path, parts)))
    assert np.array_equal(source.test.images, X_TEST)
    assert "validation part serves as test" in " ".join(source.notes)
    put(tmp_path, {"test.csv": csv(rows(X_TEST[:9], Y_TEST[:9]), ["label", *PIXELS])})
    source = load.load_source(str(tmp_path))
    assert (len(source.train), len(source.test)) == (N + N_TEST, 9)


def test_small_digits_are_resized_and_scaled_with_a_word(tmp_path):
    small = load_digits()
    source = load.load_source(str(put(tmp_path, {"a.npz": npz(x=small.images, y=small.target)}) / "a.npz"))
    assert source.pooled.images.shape == (1797, 28, 28)
    assert source.pooled.images.max() == 255
    words = " ".join(source.notes)
    assert "8 x 8 pixels were resized to 28 x 28" in words
    assert "0 to 16, were brought to 0 to 255" in words
    # Averages over quarters of a side agree with those of the small images.
    big = source.pooled.images.reshape(-1, 4, 7, 4, 7).mean(axis=(2, 4))
    means = small.images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)) * 255 / 16
    assert abs(big.mean() - means.mean()) < 3
    ours, theirs = (np.sort(values.reshape(len(values), -1).mean(axis=1)) for values in (big, means))
    assert np.abs(ours - theirs).max() < 12


def test_a_packed_file_beside_the_unpacked_one_must_be_the_same(tmp_path):
    put(tmp_path, {**IDX, "train-labels-idx1-ubyte.gz": gzip.compress(idx(Y[::-1]))})
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte and train-labels-idx1-ubyte.gz differ"):
        load.load_source(str(tmp_path))


# What does not fit


def table(**changes):
    """The labelled table with cells changed: r<row>c<column>, counted from 1 with the header."""
    lines = [line.split(",") for line in LABELLED.splitlines()]
    for at, value in changes.items():
        row, column = map(int, at[1:].split("c"))
        lines[row - 1][column - 1] = value
    return "\n".join(map(",".join, lines)) + "\n"


WRONG = {
    "nothing there": ({}, "nowhere", "nowhere: there is no such file or folder"),
    "an empty folder": ({"a/.hidden": b""}, "a", "a: got none; tables .*are allowed"),
    "some text": ({"a.txt": b"seven, please\n"}, "a.txt", r"a\.txt: got a file of another kind; tables"),
    "one picture": ({"a.png": b"\x89PNG\r\n"}, "a.png", r"a\.png: got one picture; tables"),
    "two data sets": ({f"{k}/a.npz": npz(**KERAS) for k in "ab"}, "", "got digits in .*/a and in .*/b; one of them"),
    "two for one purpose": ({"a.npz": npz(**KERAS), "train.csv": LABELLED}, "", "for the same purpose|beside others"),
    "colour": ({"a.npz": npz(x=np.stack([X] * 3, -1), y=Y)}, "a.npz", r"a\.npz: x: .*\(520, 28, 28, 3\), in colour"),
    "a missing label": ({"a.csv": table(r17c1="")}, "a.csv", r"a\.csv: row 17, column 1 \(label\) is ''"),
    "a label that is NaN": ({"a.csv": table(r17c1="NaN")}, "a.csv", r"a\.csv: row 17, column 1 \(label\) is 'NaN'"),
    "labels to 10": ({"a.npz": npz(x=X, y=Y + 1)}, "a.npz", r"a\.npz: y: label 10 at index \[\d+\], expected 0\.\.9"),
    "letters": ({"a.csv": table(r2c1="B")}, "a.csv", r"a\.csv: row 2, column 1 \(label\) is 'B'"),
    "no labels at all": ({"train.csv": csv(rows(X), PIXELS)}, "train.csv", "no labels for training images"),
    "different sizes": ({"a.csv": LABELLED + "1," * 64 + "1\n"}, "a.csv", "row 522 has 65 columns, expected 785"),
    "no square": ({"a.csv": csv(np.ones((9, 701)))}, "a.csv", "row 1 has 701 columns; a square number of pixels"),
    "one class": ({"a.npz": npz(x=X, y=Y * 0 + 3)}, "a.npz", "images of the digit 3 only; two digits or more"),
    "too few": ({"a.npz": npz(x=X[:499], y=Y[:499])}, "a.npz", "got 499 labelled images; 500 or more"),
    "a cut archive": ({"a.npz": npz(**KERAS)[:-99]}, "a.npz", r"a\.npz: not a usable \.npz"),
    "a cut zip": ({"a.zip": zipped(KAGGLE)[:-99]}, "a.zip", r"a\.zip: not a usable \.zip"),
    "a zip of nothing": ({"a.zip": zipped({"readme.md": "hello"})}, "a.zip", r"a\.zip: got none; tables"),
    "a zip that leads out": ({"a.zip": zipped({"../../x.csv": "1"})}, "a.zip", r"named '\.\./\.\./x\.csv'"),
    "a row cut short in a zip": ({"a.zip": zipped({"b/train.csv": LABELLED + "1,2\n"})}, "a.zip",
                                 r"^a\.zip/b/train\.csv: row 522 has 2 columns"),
    "a cut table": ({"a.csv.gz": gzip.compress(LABELLED.encode())[:-99]}, "a.csv.gz", r"a\.csv\.gz: .*cut short"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_does_not_fit_is_said(tmp_path, kind):
    files, point_at, message = WRONG[kind]
    put(tmp_path, files)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message) as refused:
        load.load_source(str(tmp_path / point_at))
    assert len(str(refused.value).splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bad_header_is_said_before_a_large_table_is_read(tmp_path, monkeypatch):
    put(tmp_path, {"train.csv": LABELLED, "test.csv": "a,b,c\n" + "1,2,3\n" * 10})
    monkeypatch.setattr(tables.tables, "parse_table", lambda *_, **__: pytest.fail("a table was read"))
    with pytest.raises(ValueError, match=r"test\.csv: row 1 names 3 columns"):
        load.load_source(str(tmp_path))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.data.own.files.MOST_BYTES", 100_000)
    put(tmp_path, {"a.zip": zipped({"a.csv": "0" * 200_000}), "b.csv.gz": gzip.compress(b"1,2\n" * 90_000)})
    with pytest.raises(ValueError, match=r"a\.zip: got 1 files of 200,000 bytes unpacked"):
        reading.parts(tmp_path / "a.zip")
    put(tmp_path, {"c.npz": npz(x=X, y=Y), "d.csv.gz": gzip.compress(LABELLED.encode())})
    with pytest.raises(ValueError, match=r"c\.npz: got .* bytes unpacked; 100,000"):
        reading.parts(tmp_path / "c.npz")
    with pytest.raises(ValueError, match=r"d\.csv\.gz: got more than 100,000 bytes unpacked"):
        reading.parts(tmp_path / "d.csv.gz")


# Parquet


def parquet(tmp_path, frame):
    fastparquet.write(str(tmp_path / "a.parquet"), frame)
    return str(tmp_path / "a.parquet")


def test_parquet_is_read_as_a_table(tmp_path):
    frame = pd.DataFrame(rows(X, Y, last=True), columns=[*PIXELS, "label"])
    source = load.load_source(parquet(tmp_path, frame))
    assert told(source.pooled.images, source.pooled.labels) == told(X, Y)
    # In bytes as pixels are, and the label first.
    source = load.load_source(parquet(tmp_path, frame[["label", *PIXELS]].astype(np.uint8)))
    assert told(source.pooled.images, source.pooled.labels) == told(X, Y)


def test_parquet_that_does_not_fit_is_refused(tmp_path):
    frame = pd.DataFrame(rows(X, Y, last=True), columns=[*PIXELS, "label"]).astype({"pixel3": "Int16"})
    frame.loc[6, "pixel3"] = pd.NA
    with pytest.raises(ValueError, match=r"a\.parquet: row 7, column 'pixel3' is empty"):
        load.load_source(parquet(tmp_path, frame))
    with pytest.raises(ValueError, match=r"column 'pixel3' holds .*one number a cell"):
        load.load_source(parquet(tmp_path, frame.assign(pixel3="seven")))
    place = put(tmp_path, {"b.parquet": b"PAR1" + bytes(99)}) / "b.parquet"
    with pytest.raises(ValueError, match=r"b\.parquet: not a usable parquet file"):
        load.load_source(str(place))


# Folders of pictures


def picture(image, form="PNG"):
    out = io.BytesIO()
    Image.fromarray(image).save(out, form)
    return out.getvalue()


def gallery(images, labels, below=""):
    return {
        f"{below}{label}/{i:04d}.png": picture(image)
        for i, (image, label) in enumerate(zip(images, labels, strict=True))
    }


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    """Keep prepared pictures apart from the project's."""
    monkeypatch.setattr("helpers.runtime.paths.RUNS", tmp_path_factory.mktemp("runs"))


def overlap(image, other):
    """Return the correlation of two images' pixels."""
    return np.corrcoef(image.ravel(), other.ravel())[0, 1]


@pytest.mark.parametrize("kind", ["folder", "zip", "dark ink"])
def test_pictures_in_folders_named_by_label_come_out_as_mnist_has_them(tmp_path, kind):
    pages = gallery(255 - X if kind == "dark ink" else X, Y)
    if kind == "zip":
        place = (
            put(tmp_path, {"mine.zip": zipped({f"digits/{name}": page for name, page in pages.items()})}) / "mine.zip"
        )
    else:
        place = put(tmp_path / "mine", {**pages, "3/Thumbs.db": b"x", ".DS_Store": b"x"})
    source = load.load_source(str(place))
    assert (len(source.pooled), source.name) == (N, place.name)
    assert "Pictures were brought to MNIST's form: 28 x 28 pixels, the digit's longer side 20." in source.notes
    assert np.array_equal(np.bincount(source.pooled.labels), np.bincount(Y))
    parts, _ = reading.parts(place)
    order = np.argsort(Y, kind="stable")  # folders by label, files by name
    assert np.array_equal(parts["train"].labels, Y[order])
    assert min(overlap(*pair) for pair in zip(parts["train"].images, X[order], strict=True)) > 0.6
    assert np.mean([overlap(*pair) for pair in zip(parts["train"].images, X[order], strict=True)]) > 0.95


def test_pictures_of_a_test_part_and_loose_ones(tmp_path):
    put(tmp_path, {**gallery(X, Y, "train/"), **gallery(X_TEST, Y_TEST, "test/")})
    source = load.load_source(str(tmp_path))
    assert (len(source.train), len(source.test), source.unlabelled) == (N, N_TEST, None)
    other = put(tmp_path / "b", {**gallery(X, Y, "train/"), "test/1.png": picture(X[0]), "test/2.png": picture(X[1])})
    assert len(load.load_source(str(other)).unlabelled) == 2


def test_unreadable_pictures_are_left_out_with_a_word(tmp_path):
    put(
        tmp_path,
        {**gallery(X, Y), "5/broken.png": b"\x89PNG\r\n\x1a\n", "7/notes.txt": b"x", "9/white.png": picture(X[0] * 0)},
    )
    source = load.load_source(str(tmp_path))
    assert len(source.pooled) == N
    (note,) = [note for note in source.notes if "left out" in note]
    assert "3 of 523 files could not be read" in note
    assert all(name in note for name in ("5/broken.png", "7/notes.txt", "9/white.png"))


def test_a_folder_without_readable_pictures_is_refused_before_all_are_tried(tmp_path, monkeypatch):
    put(tmp_path, {f"{i % 10}/{i}.png": b"no picture" for i in range(600)})
    tried = []
    real = pictures.read_image
    monkeypatch.setattr(pictures, "read_image", lambda path: tried.append(path) or real(path))
    with pytest.raises(ValueError, match=r"20 of 20 files could not be read as pictures: .*/0/0.png \(not an image"):
        load.load_source(str(tmp_path))
    assert len(tried) < 60


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"10/a.png": b""}, "got folders named '10' beside those named by digits; 0 to 9"),
        ({"A/a.png": b""}, "got folders named 'A' beside"),
    ],
)
def test_folders_with_other_names_are_refused(tmp_path, more, message):
    put(tmp_path, {**gallery(X[:20], Y[:20]), **more})
    with pytest.raises(ValueError, match=message):
        load.load_source(str(tmp_path))


def test_too_few_pictures_are_not_even_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "read_image", lambda _: pytest.fail("a picture was opened"))
    put(tmp_path, gallery(X[:30], Y[:30]))
    with pytest.raises(ValueError, match="got 30 labelled pictures; 500 or more are needed"):
        load.load_source(str(tmp_path))


def test_pictures_are_prepared_once(tmp_path, monkeypatch):
    put(tmp_path, gallery(X, Y))
    first = load.load_source(str(tmp_path))
    opened = []
    real = pictures.read_image
    monkeypatch.setattr(pictures, "read_image", lambda path: opened.append(path) or real(path))
    again = load.load_source(str(tmp_path))
    assert again.pooled.checksum == first.pooled.checksum
    assert len(opened) <= 2 * pictures.FIRST, "the first ones are looked at, the others come from the store"
    put(tmp_path, {"0/new.png": picture(X[1])})
    assert len(load.load_source(str(tmp_path)).pooled) == N + 1


def test_many_pictures_are_prepared_by_several_processes_alike(tmp_path, monkeypatch):
    put(tmp_path, gallery(X[:300], Y[:300]))
    paths = sorted(str(path) for path in tmp_path.rglob("*.png"))
    here = pictures._run(paths)
    monkeypatch.setattr(pictures, "FEW", 10)
    there = pictures._run(paths)
    assert all(np.array_equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(here, there, strict=True))


def test_an_unguarded_script_ends_with_a_word(tmp_path):
    """Its helping processes begin with the script itself, which then would wait for them, and they for it."""
    put(tmp_path / "mine", gallery(X, Y))
    script = put(
        tmp_path,
        {
            "script.py": f"""
import pathlib
from helpers.data import load
from helpers.data.own import pictures
from helpers.runtime import paths
pictures.FEW, paths.RUNS = 10, pathlib.Path({str(tmp_path / "runs")!r})
load.load_source({str(tmp_path / "mine")!r})
"""
        },
    )
    done = subprocess.run([sys.executable, script / "script.py"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "needs `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]
