"""IDX and NPZ files, whole and spoilt: the right digits or a clear refusal, never something in between."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers.data import formats
from helpers.data.own import reading, values

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
LABELS = np.array([4, 0, 9])


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def npz(**changes):
    parts = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:2], "y_test": LABELS[:2]}
    buffer = io.BytesIO()
    np.savez(buffer, **{key: value for key, value in {**parts, **changes}.items() if value is not None})
    return buffer.getvalue()


def attempt(read, *arguments, **options):
    """Return what was read, or the message of the refusal."""
    try:
        return read(*arguments, **options)
    except ValueError as error:
        return str(error)


@pytest.fixture
def load_pair(tmp_path):
    def loaded(images, labels):
        (tmp_path / "train-images-idx3-ubyte").write_bytes(images)
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
        return values.datasets(reading.parts(tmp_path)[0])[0]["train"]

    return loaded


@pytest.fixture
def load_archive(tmp_path):
    def loaded(data):
        (tmp_path / "mine.npz").write_bytes(data)
        return values.datasets(reading.parts(tmp_path / "mine.npz")[0])[0]

    return loaded


@settings(deadline=None)  # a busy machine may take long over any example
@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=12)))
def test_idx_round_trip(array):
    parsed = formats.parse_idx(idx(array), name="x", dimensions=array.ndim)
    assert parsed.dtype == np.uint8
    assert parsed.shape == array.shape
    assert np.array_equal(parsed, array)


@settings(deadline=None)  # a busy machine may take long over any example
@given(st.binary(max_size=40))
def test_any_bytes_are_an_idx_file_or_refused(data):
    parsed = attempt(formats.parse_idx, data, name="x", dimensions=1)
    assert parsed.startswith("x: ") if isinstance(parsed, str) else idx(parsed) == data


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_pair_loads_packed_or_not(load_pair, pack):
    dataset = load_pair(pack(idx(IMAGES)), pack(idx(LABELS)))
    assert np.array_equal(dataset.images, IMAGES)
    assert np.array_equal(dataset.labels, LABELS)
    assert dataset.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (gzip.compress(idx(IMAGES))[:-9], idx(LABELS), "images-idx3-ubyte: the gzip data is cut short"),
        (gzip.compress(idx(IMAGES))[:300], idx(LABELS), "images-idx3-ubyte: the gzip data is cut short"),
        (gzip.compress(idx(IMAGES)) + b"more", idx(LABELS), "images-idx3-ubyte: the gzip data is damaged"),
        (b"", idx(LABELS), "images-idx3-ubyte: the file is empty"),
        (idx(IMAGES), b"", "labels-idx1-ubyte: the file is empty"),
        (gzip.compress(b""), idx(LABELS), "images-idx3-ubyte: the file is empty"),
        (idx(IMAGES)[:9], idx(LABELS), "images-idx3-ubyte: 9 bytes, too short"),
        (idx(LABELS), idx(LABELS), "labels-idx1-ubyte: got labels without images"),
        (idx(IMAGES), idx(IMAGES), "no labels for training images"),
        (b"\x00\x00\x0d\x03" + idx(IMAGES)[4:], idx(LABELS), "images-idx3-ubyte: magic number 0x00000d03"),
        (b"\x89PNG" + bytes(30), idx(LABELS), "images-idx3-ubyte: magic number 0x89504e47"),
        (idx(IMAGES)[:-1], idx(LABELS), "images-idx3-ubyte: 2351 bytes of data, expected 3 x 28 x 28 = 2352"),
        (idx(IMAGES) + b"\0", idx(LABELS), "images-idx3-ubyte: 2353 bytes of data, expected 3 x 28 x 28 = 2352"),
        (struct.pack(">4I", 0x803, 2**32 - 1, 28, 28), idx(LABELS), "images-idx3-ubyte: 0 bytes of data, expected 429"),
        (idx(IMAGES), idx(LABELS[:2]), "labels-idx1-ubyte: 2 labels for 3 images"),
        (idx(IMAGES[:2]), idx(LABELS), "labels-idx1-ubyte: 3 labels for 2 images"),
        (idx(IMAGES), idx(np.array([4, 10, 9])), r"labels-idx1-ubyte: label 10 at index \[1\], expected 0\.\.9"),
        (idx(IMAGES[:, :27]), idx(LABELS), r"images of shape \(3, 27, 28\); \(n, side, side\) is allowed"),
        (idx(IMAGES[:0]), idx(LABELS[:0]), "labels-idx1-ubyte: no labels at all"),
    ],
)
def test_bad_idx_is_refused(load_pair, images, labels, message):
    with pytest.raises(ValueError, match=message):
        load_pair(images, labels)


def test_missing_file_is_not_called_damaged(tmp_path):
    with pytest.raises(ValueError, match="nowhere: there is no such file or folder"):
        reading.parts(tmp_path / "nowhere")


PACKED = gzip.compress(idx(IMAGES[:1]), mtime=0)
ARCHIVE = npz()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PACKED) - 1), st.integers(0, 7))
def test_flipped_bit_in_gzip_is_refused_or_harmless(at, bit):
    data = bytearray(PACKED)
    data[at] ^= 1 << bit
    unpacked = attempt(formats.unpack, bytes(data), name="x")
    if isinstance(unpacked, str):
        assert unpacked.startswith("x: the gzip data is ")
    elif unpacked != idx(IMAGES[:1]):  # a bit in the header's time stamp, say, changes nothing
        assert unpacked == bytes(data)  # no longer gzip at all, so the magic number will not be right
        with pytest.raises(ValueError, match="x: magic number"):
            formats.parse_idx(unpacked, name="x", dimensions=3)


def test_flipped_bit_in_npz_is_refused_or_harmless(load_archive):
    refused = 0
    for at in range(0, len(ARCHIVE), 17):
        data = bytearray(ARCHIVE)
        data[at] ^= 1 << at % 8
        found = attempt(load_archive, data)
        if isinstance(found, str):
            assert "mine.npz" in found
            refused += 1
            continue
        # A bit of a name makes a key unusual, never a digit another.
        assert np.array_equal(found["train"].images, IMAGES)
        assert np.array_equal(found["train"].labels, LABELS)
        assert all(np.array_equal(part.images, IMAGES[: len(part)]) for part in found.values())
    assert refused > 200  # nearly all of the archive is pixels under a checksum


@pytest.mark.parametrize("length", [1, 100, len(ARCHIVE) // 2, len(ARCHIVE) - 1])
def test_cut_npz_is_refused(load_archive, length):
    with pytest.raises(ValueError, match=r"mine\.npz: not a usable \.npz"):
        load_archive(ARCHIVE[:length])


def test_npz_loads(load_archive):
    found = load_archive(npz(x_train=IMAGES.astype(np.int32), y_train=LABELS.astype(np.uint8), extra=LABELS))
    assert found["train"].images.dtype == np.uint8
    assert found["train"].labels.dtype == np.int64
    assert np.array_equal(found["train"].images, IMAGES)
    assert np.array_equal(found["train"].labels, LABELS)
    assert np.array_equal(found["test"].images, IMAGES[:2])


def replaced(array, index, value, dtype=None):
    array = np.array(array, dtype)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": None}, "no labels for training images"),
        ({"x_test": None}, "y_test: got labels without images"),
        ({"x_test": replaced(IMAGES[:2], (0, 1, 2), np.nan, float)}, "x_test: got nan in image 1, row 2, column 3"),
        ({"x_train": replaced(IMAGES, (2, 0, 5), np.inf, float)}, "x_train: got inf in image 3, row 1, column 6"),
        ({"x_train": IMAGES.astype(str)}, "x_train: got pixels of type <U"),
        ({"x_train": IMAGES.reshape(3, 784)[:, :-1]}, r"x_train: got an array of shape \(3, 783\)"),
        ({"x_train": IMAGES[:, :, :27]}, r"x_train: got images of shape \(3, 28, 27\)"),
        ({"x_train": np.stack([IMAGES] * 3, -1)}, r"x_train: got images of shape \(3, 28, 28, 3\), in colour"),
        ({"x_train": IMAGES.transpose(1, 2, 0)}, r"x_train: got images of shape \(28, 28, 3\)"),
        ({"x_test": IMAGES[:2, :8, :8]}, "images of different sizes: .*x_train has 28 x 28.*x_test has 8 x 8"),
        ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, "y_train: no labels at all"),
        ({"x_train": IMAGES * 0}, "x_train: got the value 0 in every pixel"),
        ({"y_train": LABELS + 1}, r"y_train: label 10 at index \[2\], expected 0\.\.9"),
        ({"y_train": LABELS - 1}, r"y_train: label -1 at index \[1\], expected 0\.\.9"),
        ({"y_train": replaced(LABELS, 1, np.nan, float)}, "y_train: got the label nan for image 2; 0 to 9"),
        ({"y_train": replaced(LABELS, 2, 1.5, float)}, r"y_train: got the label 1\.5 for image 3; 0 to 9"),
        ({"y_train": np.array(["a", "b", "c"])}, "y_train: labels of type <U1"),
        ({"y_train": LABELS[:2]}, "y_train: 2 labels for 3 images"),
        ({"y_train": np.eye(10, dtype=int)[LABELS]}, r"y_train: got an array of shape \(3, 10\)"),
    ],
)
def test_bad_npz_is_refused(load_archive, changes, message):
    with pytest.raises(ValueError, match=message):
        load_archive(npz(**changes))


class Touch:
    """Unpickling this creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_never_opened(load_archive, tmp_path):
    harmed = tmp_path / "harmed"
    with pytest.raises(ValueError, match="pickled and never opened"):
        load_archive(npz(y_train=np.array([Touch(harmed)] * 3, dtype=object)))
    assert not harmed.exists()
