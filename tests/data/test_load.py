"""The embedded data, the named splits, and what a user drops in."""

import dataclasses
import gzip
import hashlib
import pickle
import shutil
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from steps import steps

from helpers.data import load, splits
from helpers.data.dataset import build_dataset, build_mnist
from helpers.runtime.paths import MNIST

# As published with MNIST and printed in countless places; of the files unpacked.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
NF264_SUPPORTS = [685, 778, 671, 690, 733, 644, 729, 694, 670, 706]  # as its classification report prints
PARTS = ("train", "val", "test")


def small_source(n_train=300, n_test=100, *, seed=0):
    rng = np.random.default_rng(seed)
    arrays = []
    for n in (n_train, n_test):
        arrays.append(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        arrays.append(np.concatenate([np.arange(10), rng.integers(0, 10, n - 10)]))
    return build_mnist("small", arrays, names=["small"] * 4)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def kaggle_text(images, labels=None):
    header = [f"pixel{i}" for i in range(784)]
    rows = [list(map(str, image.ravel())) for image in images]
    if labels is not None:
        header, rows = ["label", *header], [[str(y), *row] for y, row in zip(labels, rows, strict=True)]
    return "\n".join(",".join(row) for row in [header, *rows]) + "\n"


# The embedded MNIST


@pytest.mark.parametrize("name", MD5)
def test_embedded_file_has_the_published_md5(name):
    assert hashlib.md5(gzip.decompress((MNIST / f"{name}.gz").read_bytes())).hexdigest() == MD5[name]


def test_mnist_is_the_files_in_their_order():
    mnist = load.load_mnist()
    raw = {name: gzip.decompress((MNIST / f"{name}.gz").read_bytes()) for name in MD5}
    assert mnist.train.images.shape == (60_000, 28, 28)
    assert mnist.test.images.shape == (10_000, 28, 28)
    assert mnist.pooled.images.dtype == np.uint8
    assert mnist.pooled.labels.dtype == np.int64
    pixels = raw["train-images-idx3-ubyte"][16:] + raw["t10k-images-idx3-ubyte"][16:]
    assert mnist.pooled.images.tobytes() == pixels
    assert bytes(mnist.pooled.labels.tolist()) == (
        raw["train-labels-idx1-ubyte"][8:] + raw["t10k-labels-idx1-ubyte"][8:]
    )
    assert mnist.train.images.tobytes() + mnist.test.images.tobytes() == pixels
    assert np.array_equal(mnist.pooled.labels, [*mnist.train.labels, *mnist.test.labels])
    assert len(mnist.pooled) == 70_000


def test_mnist_is_read_once_and_cannot_be_written():
    mnist = load.load_mnist()
    assert load.load_mnist() is mnist
    for dataset in (mnist.train, mnist.test, mnist.pooled):
        with pytest.raises(ValueError, match="read-only"):
            dataset.images[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            dataset.labels[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        mnist.train = None


def test_no_loop_over_images_loads_mnist(monkeypatch):
    """Each file is read and unpacked once, and what Python itself does is nothing to 70,000 images."""
    unpacked, decompress = [], gzip.decompress
    monkeypatch.setattr(gzip, "decompress", lambda data: unpacked.append(len(data)) or decompress(data))
    taken, mnist = steps(load.load_mnist.__wrapped__)
    assert sorted(unpacked) == sorted(path.stat().st_size for path in MNIST.glob("*.gz"))
    assert len(mnist.pooled) == 70_000
    assert taken < 7_000


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A copy of data/mnist that may be spoilt, and that load_mnist reads."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for path in MNIST.iterdir():
        shutil.copyfile(path, folder / path.name)
    monkeypatch.setattr(load, "MNIST", folder)
    return folder


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty"])
@pytest.mark.parametrize("name", [f"{name}.gz" for name in MD5])
def test_spoilt_embedded_file_is_a_checksum_error(scratch, name, spoil):
    path = scratch / name
    data = bytearray(path.read_bytes())
    expected = hashlib.sha256(data).hexdigest()
    if spoil == "flip":
        data[len(data) // 2] ^= 1
    elif spoil == "cut":
        del data[-1]
    else:
        data.clear()
    path.write_bytes(data)
    with pytest.raises(load.ChecksumError) as caught:
        load.load_mnist.__wrapped__()
    found = hashlib.sha256(data).hexdigest()
    assert isinstance(caught.value, ValueError)
    assert (Path(caught.value.file), caught.value.expected, caught.value.found) == (path, expected, found)
    assert all(part in str(caught.value) for part in (name, expected, found))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # crosses process borders


def test_checksums_must_name_every_file_and_be_checksums(scratch):
    sums = scratch / "SHA256SUMS"
    lines = sums.read_text().splitlines()
    sums.write_text("\n".join(line for line in lines if "t10k-labels" not in line))
    with pytest.raises(ValueError, match=r"t10k-labels.*not listed"):
        load.load_mnist.__wrapped__()
    sums.write_text("\n".join([*lines[:2], "0123  train-images-idx3-ubyte.gz"]))
    with pytest.raises(ValueError, match=r"SHA256SUMS: line 3 "):
        load.load_mnist.__wrapped__()


def test_missing_embedded_file_is_named(scratch):
    (scratch / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels"):
        load.load_mnist.__wrapped__()


def test_dataset_checksum_covers_shape_pixels_and_labels():
    images, labels = np.zeros((4, 28, 28), np.uint8), np.array([0, 1, 2, 3])
    changed, relabelled = images.copy(), np.array([0, 1, 2, 4])
    changed[3, 27, 27] = 1
    checksums = {
        build_dataset("a", x, y).checksum
        for x, y in [
            (images, labels),
            (changed, labels),
            (images, relabelled),
            (images, None),
            (images.reshape(4, 14, 56), labels),
        ]
    }
    assert len(checksums) == 5
    assert build_dataset("b", images.copy(), labels.copy()).checksum in checksums  # a name changes nothing


def test_small_digits_are_those_of_scikit_learn():
    digits, oracle = load.load_digits_8x8(), load_digits()
    assert digits.images.shape == (1797, 8, 8)
    assert digits.images.dtype == np.uint8
    assert digits.images.max() == 16
    assert np.array_equal(digits.images, oracle.images)
    assert np.array_equal(digits.labels, oracle.target)


# The named splits


def check_partition(split, source, *, complete=True):
    rows = np.concatenate([getattr(split, f"{part}_index") for part in PARTS])
    assert len(np.unique(rows)) == len(rows)
    if complete:
        assert np.array_equal(np.sort(rows), np.arange(len(source.pooled)))
    for part in PARTS:
        x, y, index = (getattr(split, name) for name in (f"x_{part}", f"y_{part}", f"{part}_index"))
        assert np.array_equal(x, source.pooled.images[index])
        assert np.array_equal(y, source.pooled.labels[index])
        assert (x.dtype, y.dtype, index.dtype) == (np.uint8, np.int64, np.int64)
        assert [array.flags.writeable for array in (x, y, index)] == [False] * 3


# The fingerprints are pinned, so that no release of a library changes a split behind our back.
@pytest.mark.parametrize(
    ("name", "sizes", "fingerprint"),
    [
        ("standard", (60_000, 0, 10_000), "f579132e40f2a16c"),
        ("nf264", (56_000, 7_000, 7_000), "0cba9a3a632fe2e6"),
        ("kaggle", (37_800, 4_200, 28_000), "b58504aa52da2783"),
    ],
)
def test_named_split(name, sizes, fingerprint):
    split = load.make_split(name)
    assert (len(split.x_train), len(split.x_val), len(split.x_test)) == sizes
    check_partition(split, load.load_mnist())
    assert split.name == name
    assert split.fingerprint == fingerprint
    assert load.make_split(name, seed=1).fingerprint == fingerprint  # the seed is for samples only


def test_standard_split_is_the_published_one():
    split, mnist = load.make_split("standard"), load.load_mnist()
    assert np.array_equal(split.x_train, mnist.train.images)
    assert np.array_equal(split.y_test, mnist.test.labels)


def test_nf264_split_is_the_published_code_and_prints_its_supports():
    mnist = load.load_mnist()
    order = np.argsort(mnist.pooled.labels, kind="stable")
    y, X = mnist.pooled.labels[order], mnist.pooled.images[order].reshape(70_000, 784)
    assert y[15_000] == 2
    X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.2, random_state=42)
    X_val, X_test, y_val, y_test = train_test_split(X_rest, y_rest, test_size=0.5, random_state=42)
    split = load.make_split("nf264")
    assert np.bincount(split.y_test).tolist() == NF264_SUPPORTS
    for ours, theirs in [
        (split.x_train, X_train),
        (split.x_val, X_val),
        (split.x_test, X_test),
        (split.y_train, y_train),
        (split.y_val, y_val),
        (split.y_test, y_test),
    ]:
        assert np.array_equal(ours.reshape(theirs.shape), theirs)


def test_validation_part_is_stratified_and_taken_from_training_only():
    mnist = load.load_mnist()
    split = load.make_split("standard", n_validation=5_000, seed=3)
    check_partition(split, mnist)
    assert (len(split.x_train), len(split.x_val)) == (55_000, 5_000)
    assert split.val_index.max() < 60_000
    share = np.bincount(mnist.train.labels) / 60_000 * 5_000
    assert np.abs(np.bincount(split.y_val) - share).max() < 1
    again = load.make_split("standard", n_validation=5_000, seed=3)
    other = load.make_split("standard", n_validation=5_000, seed=4)
    assert again.fingerprint == split.fingerprint != other.fingerprint
    assert not np.array_equal(split.val_index, other.val_index)


@pytest.mark.parametrize("name", ["standard", "nf264", "kaggle"])
def test_sample_of_a_split_stays_within_its_parts(name):
    whole = load.make_split(name)
    small = load.make_split(name, n_train=1_000, n_validation=200, n_test=300, seed=5)
    check_partition(small, load.load_mnist(), complete=False)
    assert (len(small.x_train), len(small.x_val), len(small.x_test)) == (1_000, 200, 300)
    assert np.isin(small.test_index, whole.test_index).all()
    assert np.isin(small.train_index, whole.train_index).all()
    assert np.isin(small.val_index, whole.train_index if name == "standard" else whole.val_index).all()
    share = np.bincount(whole.y_test) / len(whole.y_test) * 300
    assert np.abs(np.bincount(small.y_test) - share).max() < 1
    assert small.fingerprint != whole.fingerprint


def test_larger_sample_contains_the_smaller():
    small, large = (load.make_split("standard", n_train=n, seed=1).train_index for n in (50, 500))
    assert np.isin(small, large).all()
    ten = load.make_split("standard", n_train=10, seed=1).y_train
    assert sorted(ten) == list(range(10))


def test_fingerprint_tells_data_rows_and_their_parts_apart():
    source = small_source()
    images = source.train.images.copy()
    images[7, 5, 5] ^= 1
    arrays = [images, source.train.labels, source.test.images, source.test.labels]
    nudged = build_mnist("small", arrays, names=[""] * 4)
    prints = [
        load.make_split("standard", source=source),
        load.make_split("standard", source=nudged),
        load.make_split("nf264", source=source),
        load.make_split("kaggle", source=source),
        load.make_split("standard", n_validation=30, source=source),
        load.make_split("standard", n_train=270, source=source),
        load.make_split("standard", n_test=50, source=source),
    ]
    assert len({split.fingerprint for split in prints}) == len(prints)
    assert all(len(s.fingerprint) == 16 and int(s.fingerprint, 16) >= 0 for s in prints)


@pytest.mark.parametrize("name", ["standard", "nf264", "kaggle"])
def test_other_sources_are_cut_in_proportion(name):
    source = small_source()
    split = load.make_split(name, source=source)
    check_partition(split, source)
    sizes = {"standard": (300, 0, 100), "nf264": (320, 40, 40), "kaggle": (216, 24, 160)}
    assert (len(split.x_train), len(split.x_val), len(split.x_test)) == sizes[name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mnist"}, r"name = 'mnist', expected one of standard, nf264, kaggle"),
        ({"n_validation": 300}, r"n_validation = 300, expected 1\.\.299"),
        ({"n_validation": -1}, "n_validation = -1"),
        ({"n_train": 0}, "n_train = 0"),
        ({"n_train": 301}, r"n_train = 301, expected 1\.\.300"),
        ({"n_train": 300, "n_validation": 50}, r"n_train = 300, expected 1\.\.250"),
        ({"n_test": 101}, r"n_test = 101, expected 1\.\.100"),
        ({"n_test": 10, "seed": -1}, "seed = -1"),
        ({"name": "nf264", "n_validation": 41}, r"n_validation = 41, expected 1\.\.40"),
    ],
)
def test_impossible_split_of_mnist_is_refused(arguments, message):
    embedded = dataclasses.replace(small_source(), name="MNIST")
    with pytest.raises(ValueError, match=message):
        load.make_split(**{"name": "standard", "source": embedded, **arguments})


@pytest.mark.parametrize(
    ("arguments", "sizes"),
    [
        ({"n_validation": 5_000}, (150, 150, 100)),
        ({"n_validation": 150, "n_train": 151, "n_test": 101}, (150, 150, 100)),
        ({"n_validation": 20, "n_train": 55_000, "n_test": 10}, (280, 20, 10)),
        ({"name": "nf264", "n_validation": 7_000, "n_train": 56_000, "n_test": 7_000}, (320, 40, 40)),
        ({"name": "kaggle", "n_validation": 2_000, "n_test": 1_000}, (216, 24, 160)),
    ],
)
def test_numbers_too_large_for_own_digits_are_cut_down(arguments, sizes):
    source = small_source()
    split = load.make_split(**{"name": "standard", "source": source, **arguments})
    assert (len(split.x_train), len(split.x_val), len(split.x_test)) == sizes
    check_partition(split, source, complete=False)


def test_numbers_below_one_are_refused_for_own_digits_too():
    for argument in ({"n_train": 0}, {"n_test": -1}, {"n_validation": -1}):
        with pytest.raises(ValueError, match="expected 1"):
            load.make_split("standard", source=small_source(), **argument)


def webster(sizes, n):
    """Deal n seats out one by one, each to whom size / (2 seats + 1) is largest: Webster's method, as in elections."""
    seats = [0] * len(sizes)
    for _ in range(n):
        due = [Fraction(size, 2 * held + 1) for size, held in zip(sizes, seats, strict=True)]
        seats[due.index(max(due))] += 1
    return seats


def test_classes_are_drawn_by_websters_method():
    sizes = [512, 97, 26, 44]  # no two of them ever have the same claim to the next seat
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), sizes))
    for n in (1, 2, 3, 5, 8, 20, 77, 300, 678):
        rows = splits.stratified_rows(labels, n, seed=3)
        assert np.bincount(labels[rows], minlength=4).tolist() == webster(sizes, n)


def test_subset_keeps_order_pairs_and_proportions():
    source = small_source().pooled
    images, labels = load.subset(source.images, source.labels, 60, seed=2)
    rows = [int(np.flatnonzero((source.images == image).all(axis=(1, 2)))[0]) for image in images]
    assert rows == sorted(set(rows))
    assert np.array_equal(source.labels[rows], labels)
    assert np.abs(np.bincount(labels) - np.bincount(source.labels) * 60 / 400).max() < 1
    assert not np.array_equal(images, load.subset(source.images, source.labels, 60, seed=3)[0])
    everything, _ = load.subset(source.images, source.labels, 400, seed=2)
    assert np.array_equal(everything, source.images)


@pytest.mark.parametrize(("n", "labels"), [(0, 400), (401, 400), (10, 399)])
def test_impossible_subset_is_refused(n, labels):
    source = small_source().pooled
    with pytest.raises(ValueError, match="expected"):
        load.subset(source.images, source.labels[:labels], n, seed=0)


# What a user drops in


def test_source_defaults_to_mnist():
    mnist = load.load_source("")
    assert mnist is load.load_mnist()
    assert (mnist.name, mnist.is_mnist, mnist.notes, mnist.unlabelled) == ("MNIST", True, (), None)


def test_source_is_relative_to_the_project_wherever_we_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    same = load.load_source("data/mnist")
    assert same.pooled.checksum == load.load_mnist().pooled.checksum
    assert not same.is_mnist, "its rows handed in as files are somebody's own digits"


@pytest.mark.parametrize("kind", ["npz", "idx", "idx.gz", "idx with dots"])
def test_source_of_each_kind_gives_the_same_digits(tmp_path, kind):
    source = small_source(400, 150)
    place = tmp_path / "mine.npz"
    if kind == "npz":
        arrays = {f"x_{p}": getattr(source, p).images for p in ("train", "test")}
        np.savez_compressed(place, **arrays, y_train=source.train.labels, y_test=source.test.labels)
    else:
        place = tmp_path
        mark, end = "." if "dots" in kind else "-", ".gz" if "gz" in kind else ""
        for part, dataset in (("train", source.train), ("t10k", source.test)):
            for stem, array in (("images", dataset.images), ("labels", dataset.labels)):
                data = idx(array)
                file = tmp_path / f"{part}-{stem}{mark}idx{array.ndim}-ubyte{end}"
                file.write_bytes(gzip.compress(data) if end else data)
    loaded = load.load_source(str(place))
    for part in ("train", "test", "pooled"):
        assert getattr(loaded, part).checksum == getattr(source, part).checksum
        assert not getattr(loaded, part).images.flags.writeable


def test_source_of_kaggle_files_is_cut_in_thirds_and_keeps_what_has_no_labels(tmp_path):
    source = small_source(600, 100)
    (tmp_path / "train.csv").write_text(kaggle_text(source.train.images, source.train.labels))
    (tmp_path / "test.csv").write_text(kaggle_text(source.test.images))
    loaded = load.load_source(str(tmp_path))
    assert (len(loaded.train), len(loaded.test), len(loaded.pooled)) == (400, 200, 600)
    pairs = {(image.tobytes(), int(y)) for image, y in zip(loaded.pooled.images, loaded.pooled.labels, strict=True)}
    assert pairs == {
        (image.tobytes(), int(y)) for image, y in zip(source.train.images, source.train.labels, strict=True)
    }
    assert np.array_equal(loaded.unlabelled.images, source.test.images)
    assert loaded.unlabelled.labels is None
    check_partition(load.make_split("kaggle", source=loaded), loaded)


def test_kaggle_test_file_may_have_labels(tmp_path):
    source = small_source(400, 150)
    for part in ("train", "test"):
        text = kaggle_text(getattr(source, part).images, getattr(source, part).labels)
        (tmp_path / f"{part}.csv").write_text(text)
    loaded = load.load_source(str(tmp_path))
    assert loaded.pooled.checksum == source.pooled.checksum
    assert loaded.unlabelled is None


def test_class_counts_of_a_split():
    table = splits.class_counts(load.make_split("nf264"))
    assert table.loc["test"].tolist() == [685, 778, 671, 690, 733, 644, 729, 694, 670, 706, 7000]
    assert table["all"].tolist() == [56_000, 7_000, 7_000]
