"""What there is to read: order, bounded memory, arrays on any scale, and files of arrays that are not right."""

import io
import os
import zipfile

import numpy as np
import pytest

from helpers.data.pictures.decoding import Unreadable
from helpers.predict import arrays, sources


def names(work):
    return [name for piece in work for name in piece.names]


@pytest.fixture
def tree(tmp_path):
    for name in ("b.png", "a.png", "c/2.png", "c/10.png", "c/1.png", "a/x.png", ".hidden", "c/.DS_Store"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.png").symlink_to(tmp_path / "b.png")
    return tmp_path


def test_a_folder_comes_sorted_files_before_subfolders(tree):
    found = sources.Found()
    got = names(sources.stream([str(tree)], found=found))
    expected = ["a.png", "b.png", "link.png", "a/x.png", "c/1.png", "c/10.png", "c/2.png"]
    assert got == [str(tree / name) for name in expected]
    assert (found.total, found.complete) == (7, True)


def test_an_array_in_a_folder_is_read_as_when_named(tree):
    values = np.random.default_rng(0).uniform(0, 255, (3, 9, 9)).astype(np.float32)
    np.save(tree / "aa.npy", values)
    found = sources.Found()
    pieces = list(sources.stream([str(tree)], found=found))
    assert names(pieces)[:5] == [str(tree / name) for name in ("a.png", "aa.npy", "aa.npy", "aa.npy", "b.png")]
    (named,) = sources.stream([str(tree / "aa.npy")])
    (within,) = [piece for piece in pieces if piece.images]
    assert (within.names, within.indices) == (named.names, [0, 1, 2])
    assert np.array_equal(within.images, named.images)
    assert found.total == 10


def test_places_keep_their_order_and_the_table_is_passed_over(tree):
    got = names(sources.stream([str(tree / "b.png"), str(tree / "c"), "nowhere.png"], skip=tree / "c" / "1.png"))
    assert got == [str(tree / name) for name in ("b.png", "c/10.png", "c/2.png")] + ["nowhere.png"]


def test_a_folder_that_cannot_be_listed_is_named(tree, monkeypatch):
    scandir = os.scandir

    def refusing(folder):
        if str(folder).endswith("/c"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    assert names(sources.stream([str(tree)]))[-1] == str(tree / "c")


@pytest.mark.parametrize("held", [3, 1000])
def test_names_are_sorted_in_bounded_memory(held, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "NAMES", held)
    rng = np.random.default_rng(0)
    wanted = sorted(
        {f"{rng.integers(1e6)}" for _ in range(200)}
        | {"new\nline", "ä", b"\xff.png".decode("utf-8", "surrogateescape")}
    )
    for name in wanted:
        (tmp_path / name).write_bytes(b"")
    largest = 0
    add = sources.Names.add

    def watching(self, name):
        nonlocal largest
        add(self, name)
        largest = max(largest, len(self._held))

    monkeypatch.setattr(sources.Names, "add", watching)
    assert [os.path.basename(path) for path in sources.walk(str(tmp_path))] == wanted
    assert largest < held or held == 1000


def test_work_comes_in_bounded_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK", 4)
    assert [len(piece) for piece in sources.stream([f"{i}.png" for i in range(10)])] == [4, 4, 2]
    taken, complete = sources.peek(sources.stream(["x.png"] * 10), 5)
    assert [len(piece) for piece in taken] == [4, 4]
    assert not complete
    taken, complete = sources.peek(sources.stream(["x.png"] * 3), 5)
    assert (len(taken), complete) == (1, True)


def images(n=5, side=12):
    picture = np.zeros((n, side, side), np.uint8)
    picture[:, 2:9, 4:6] = 255
    picture[:, 2, 6:9] = np.arange(n)[:, None] * 20
    return picture


def save_csv(path, table, header=None):
    lines = [",".join(f"{value:g}" for value in row) for row in table.reshape(len(table), -1)]
    path.write_text("\n".join(([header] if header else []) + lines) + "\n")
    return path


FORMS = {
    "uint8 0..255": lambda x: x,
    "float 0..1": lambda x: x / 255,
    "float32 -1..1": lambda x: (x / 127.5 - 1).astype(np.float32),
    "0..16": lambda x: x * (16 / 255),
    "uint16": lambda x: x.astype(np.uint16) * 257,
    "with a channel": lambda x: x[..., None],
    "flat": lambda x: x.reshape(len(x), -1),
    "big-endian": lambda x: x.astype(">i4"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_arrays_come_block_by_block_in_0_to_255(form, suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK", 2)
    path = tmp_path / f"x{suffix}"
    array = FORMS[form](images())
    np.savez_compressed(path, images=array, labels=np.arange(5)) if suffix == ".npz" else np.save(path, array)
    blocks = list(arrays.blocks(path))
    assert [start for start, _ in blocks] == [0, 2, 4]
    got = np.stack([image for _, block in blocks for image in block])
    np.testing.assert_allclose(got, images(), atol=0.01)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.5), (-0.5, 1.0), (-0.25, 2.0), (-300.0, 75.0)])
def test_arrays_on_both_sides_of_zero_have_it_in_the_middle(low, high, tmp_path):
    """The side that reaches further spans its half of 0..255 and the other as much as its share of that."""
    array = np.zeros((2, 8, 8))
    array[0, 0, 0], array[1, 0, 0] = low, high
    np.save(tmp_path / "x.npy", array)
    ((_, block),) = arrays.blocks(tmp_path / "x.npy")
    reach = max(abs(low), abs(high))
    assert block[0][4, 4] == pytest.approx(127.5)
    assert block[0][0, 0] == pytest.approx(127.5 * (1 + low / reach))
    assert block[1][0, 0] == pytest.approx(127.5 * (1 + high / reach))


@pytest.mark.parametrize("place", [0, 40, 81])
@pytest.mark.parametrize("name", ["label", "Digit", " y "])
def test_the_label_of_a_table_may_stand_anywhere(place, name, tmp_path):
    """Kaggle has it first; the names of the pixels do not matter, only where the label stands."""
    pixels = images(5, 9).reshape(5, 81)
    names = np.insert(np.array([f"p{i}" for i in range(81)], object), place, name)
    path = save_csv(tmp_path / "x.csv", np.insert(pixels, place, [7, 3, 9, 1, 5], axis=1), ",".join(names))
    ((_, block),) = arrays.blocks(path)
    np.testing.assert_allclose(np.stack(block), images(5, 9), atol=0.01)


def test_tables_with_and_without_header(tmp_path):
    pixels = images(5, 9).reshape(5, 81)
    plain = save_csv(tmp_path / "a.csv", pixels)
    header = save_csv(tmp_path / "b.csv", pixels, ",".join(f"p{i}" for i in range(81)))
    labelled = np.column_stack([pixels, np.arange(5)])
    with_label = save_csv(tmp_path / "c.csv", labelled, ",".join([f"p{i}" for i in range(81)] + ["label"]))
    for path in (plain, header, with_label):
        ((start, block),) = arrays.blocks(path)
        assert start == 0
        np.testing.assert_allclose(np.stack(block), images(5, 9), atol=0.01)


def test_a_bad_row_of_a_table_is_told_and_the_others_are_read(tmp_path):
    lines = save_csv(tmp_path / "x.csv", images(5, 9)).read_text().splitlines()
    lines[1] = lines[1].replace("255", "ink", 1)
    lines[3] += ",7"
    lines[4] = lines[4].replace("255", "nan", 1)
    (tmp_path / "x.csv").write_text("\r\n".join(lines))
    ((_, block),) = arrays.blocks(tmp_path / "x.csv")
    assert [isinstance(image, str) for image in block] == [False, True, False, True, True]
    assert block[1] == "pixel 22 is 'ink', expected a number"
    assert block[3] == "82 columns, expected 81"
    assert "not numbers" in block[4]


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code from a file was run')",))


BAD = {
    "pickle.npy": (npy(np.array([Bomb()], dtype=object)), "expected numbers"),
    "pickle.npz": (npz(images=npy(np.array([Bomb()], dtype=object))), "expected numbers"),
    "text.npy": (npy(np.array(["a", "b"])), "expected numbers"),
    "short.npy": (npy(images())[:-5], "cut short"),
    "no.npz": (b"PK\x03\x04 no", "not a usable npz"),
    "empty.npz": (b"", "not a usable npz"),
    "empty.npy": (b"", "not a usable npy"),
    "none.npy": (npy(np.zeros((0, 28, 28))), "no images"),
    "line.npy": (npy(np.zeros(7)), r"shape \(7,\)"),
    "huge.npy": (npy(np.zeros((1, 1, 5000))), "sides up to 4096"),
    "which.npz": (npz(a=npy(images()), b=npy(images())), "a, b"),
    "columns.csv": (b"1,2,3\n", "3 columns"),
    "empty.csv": (b"", "empty"),
    "binary.csv": (b"\xff\xfe\x00\x01" * 50, "not a usable csv"),
    "fortran.npy": (npy(np.asfortranarray(images(3))), "column by column"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_array_is_refused_and_does_not_stop_the_rest(name, tmp_path):
    data, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(Unreadable, match=message):
        list(arrays.blocks(path))
    pieces = list(sources.stream([str(path), "next.png"]))
    assert isinstance(pieces[0].images[-1], str)
    assert names(pieces)[-1] == "next.png"


def test_a_zip_bomb_costs_little(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 28, 28)})
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header.getvalue() + bytes(10**6))
    with pytest.raises(Unreadable, match="cut short"):
        list(arrays.blocks(path))
