"""Tables of digits: what is accepted is read exactly, what is not is named by row and column."""

import csv
import functools
import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps import steps

from helpers.data import tables
from helpers.data.own import reading, values

PIXELS = [f"pixel{i}" for i in range(784)]
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 784))
LABELS = [4, 0, 9]
ROWS = [["label", *PIXELS], *([str(y), *map(str, x)] for y, x in zip(LABELS, IMAGES, strict=True))]


def text(rows, *, newline="\n", comma=","):
    return newline.join(comma.join(row) for row in rows) + newline


GOOD, TEST = text(ROWS), text([row[1:] for row in ROWS])
PLAIN = text([row[1:] for row in ROWS[1:]])


def cell(value, *, row, column):
    """The good table with one cell replaced; row and column counted from 1, as in the messages."""
    rows = [list(cells) for cells in ROWS]
    rows[row - 1][column - 1] = value
    return text(rows)


def edited(change):
    rows = [list(cells) for cells in ROWS]
    change(rows)
    return text(rows)


@pytest.fixture
def loaded(tmp_path):
    def loaded(data, test=TEST):
        for name, content in (("train.csv", data), ("test.csv", test)):
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        told = values.datasets(reading.parts(tmp_path)[0])[0]
        return told["train"], told["unlabelled"]

    return loaded


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        GOOD.rstrip("\n"),
        GOOD + "\n\n",
        "\ufeff" + GOOD,
        text(ROWS, newline="\r\n"),
        "\ufeff" + text(ROWS, newline="\r\n"),
        text(ROWS, comma=", "),
        text([[f'"{cell}"' for cell in row] for row in ROWS]),
        gzip.compress(GOOD.encode()),
    ],
    ids=["plain", "no newline", "blank end", "BOM", "CRLF", "BOM and CRLF", "spaces", "quotes", "gzip"],
)
def test_harmless_variations_are_accepted(loaded, data):
    train, test = loaded(data)
    assert np.array_equal(train.images.reshape(3, 784), IMAGES)
    assert train.labels.tolist() == LABELS
    assert test.labels is None
    assert np.array_equal(test.images, train.images)
    assert (train.images.dtype, train.labels.dtype) == (np.uint8, np.int64)


def test_byte_order_mark_and_windows_newlines_cost_no_slow_reading():
    windows = ("\ufeff" + text(ROWS, newline="\r\n") + "\r\n").encode()
    assert tables.clean_text(windows, name="t") == GOOD.encode()


NUMBER = r"expected a whole number 0\.\.255"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # cells
        (cell("abc", row=3, column=7), rf"row 3, column 7 \(pixel5\) is 'abc', {NUMBER}"),
        (cell("256", row=2, column=2), rf"row 2, column 2 \(pixel0\) is '256', {NUMBER}"),
        (cell("1000", row=4, column=785), rf"row 4, column 785 \(pixel783\) is '1000', {NUMBER}"),
        (cell("9" * 400, row=4, column=3), rf"row 4, column 3 \(pixel1\) is '9{{40}}', {NUMBER}"),
        (cell("-1", row=3, column=3), rf"row 3, column 3 \(pixel1\) is '-1', {NUMBER}"),
        (cell("0.5", row=3, column=3), rf"row 3, column 3 \(pixel1\) is '0.5', {NUMBER}"),
        (cell("3.0", row=3, column=3), rf"row 3, column 3 \(pixel1\) is '3.0', {NUMBER}"),
        (cell("1e2", row=3, column=3), rf"row 3, column 3 \(pixel1\) is '1e2', {NUMBER}"),
        (cell("1_0", row=2, column=3), rf"row 2, column 3 \(pixel1\) is '1_0', {NUMBER}"),
        (cell("+1", row=3, column=3), rf"row 3, column 3 \(pixel1\) is '\+1', {NUMBER}"),
        (cell("٣", row=2, column=3), rf"row 2, column 3 \(pixel1\) is '٣', {NUMBER}"),
        (cell("", row=2, column=3), rf"row 2, column 3 \(pixel1\) is '', {NUMBER}"),
        (cell("NaN", row=2, column=3), rf"row 2, column 3 \(pixel1\) is 'NaN', {NUMBER}"),
        (cell("inf", row=2, column=3), rf"row 2, column 3 \(pixel1\) is 'inf', {NUMBER}"),
        (cell("10", row=3, column=1), r"row 3, column 1 \(label\) is '10', expected a whole number 0\.\.9"),
        (cell("-1", row=3, column=1), r"row 3, column 1 \(label\) is '-1', expected a whole number 0\.\.9"),
        (cell("", row=3, column=1), r"row 3, column 1 \(label\) is '', expected a whole number 0\.\.9"),
        (cell('"1', row=3, column=2), "row 3 cannot be read as comma-separated"),
        (cell("1\r2", row=3, column=2), "row 3 cannot be read as comma-separated|is '1"),
        (cell("1\0", row=3, column=2), "row 3 holds a NUL byte"),
        (GOOD.encode().replace(b"\n0,", b"\n\xff,"), "row 3 cannot be read as comma-separated UTF-8"),
        (GOOD.encode("utf-16"), "NUL byte.*UTF-16"),
        # rows
        (edited(lambda rows: rows[2].pop()), r"row 3 has 784 columns, expected 785 \(label, pixel0 \.\. pixel783\)"),
        (edited(lambda rows: rows[2].append("1")), "row 3 has 786 columns, expected 785"),
        (edited(lambda rows: [row.append("1") for row in rows[1:]]), "row 2 has 786 columns, expected 785"),
        (edited(lambda rows: rows.insert(2, [])), "row 3 is blank"),
        (edited(lambda rows: rows.__setitem__(2, ["7"])), "row 3 has 1 columns"),
        (GOOD.replace("\n0,", "\n0\n"), "row 3 has 1 columns"),
        (text(ROWS[:1]) + text(ROWS[1:], comma=";"), "row 2 has 1 columns.*separated by semicolons"),
        (text(ROWS[:1]), "a header and no rows"),
        # the header
        (edited(lambda rows: [row.pop() for row in rows]), "row 1 names 783 columns beside the label; a square number"),
        (
            edited(lambda rows: [row.pop(11) for row in rows]),
            "names 783 columns beside the label, without 'pixel10'; a",
        ),
        (cell("pixel9", row=1, column=4), "column 'pixel9' appears twice"),
        (cell("label", row=1, column=4), "column 'label' appears twice"),
        (cell("digit", row=1, column=4), "columns 1 and 4 are both named as labels"),
        (
            cell("pixel1", row=1, column=2).replace("pixel1", "pixel0", 2).replace("pixel0", "pixel1", 1),
            "column 3 is 'pixel0', after 'pixel1'",
        ),
        (edited(lambda rows: rows[0].append("id")), "row 1 names 785 columns beside the label, among them 'id'"),
        (
            edited(lambda rows: [row.insert(0, "" if i == 0 else str(i)) for i, row in enumerate(rows)]),
            "row 1 names 785 columns beside the label, among them ''",
        ),
        (text(ROWS, comma=";"), "row 1 .*separated by semicolons, not commas"),
        (text(ROWS, comma="\t"), "row 1 .*separated by tabs, not commas"),
        # the file
        ("", "the file is empty"),
        ("\ufeff", "the file is empty"),
        ("\r\n\n", "the file is empty"),
        (gzip.compress(GOOD.encode())[:-20], "cut short"),
    ],
)
def test_bad_table_is_refused(loaded, data, message):
    with pytest.raises(ValueError, match=rf"train\.csv: .*({message})"):
        loaded(data)


def test_test_file_with_783_pixels_is_refused(loaded):
    rows = [row[1:-1] for row in ROWS]
    with pytest.raises(ValueError, match=r"test\.csv: row 1 names 783 columns, none of them named label"):
        loaded(GOOD, text(rows))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (text([row[1:-1] for row in ROWS[1:]]), "1\n2\n3\n", r"images\.csv: row 1 has 783 columns; a square number"),
        (PLAIN.replace(",", ",x", 1), "1\n2\n3\n", r"images\.csv: row 1, column 2 \(pixel1\) is 'x"),
        (PLAIN, "label\n1\n2\n", r"labels\.csv: 2 labels for 3 images"),
        (PLAIN, "1\n2\n11\n", r"labels\.csv: row 3, column 1 \(label\) is '11'"),
        (PLAIN, "1,2,3\n", r"labels\.csv: row 1 has 3 columns; a square number"),
        (PLAIN, "1\n2\n", r"labels\.csv: 2 labels for 3 images"),
        (PLAIN, "1\n\n2\n3\n", r"labels\.csv: row 2 is blank"),
        (PLAIN, "", r"labels\.csv: the file is empty"),
    ],
)
def test_bad_headerless_tables_are_refused(tmp_path, images, labels, message):
    (tmp_path / "images.csv").write_text(images)
    (tmp_path / "labels.csv").write_text(labels)
    with pytest.raises(ValueError, match=message):
        values.datasets(reading.parts(tmp_path)[0])


def test_bad_cell_far_down_is_named_by_its_row():
    row = ",".join(["17"] * 784) + "\n"
    data = row * 12_000 + row.replace("17", "x", 1) + row
    assert len(data) > 5 * tables.BLOCK
    with pytest.raises(ValueError, match=r"row 12001, column 1 \(pixel0\) is 'x'"):
        tables.parse_table(data.encode(), name="t", columns=tuple(PIXELS))


def parse(rows):
    data = "\n".join(",".join(row) for row in rows) + "\n"
    return data, {"name": "t", "columns": ("label", "a", "b")}


@settings(deadline=None)  # a busy machine may take long over any example
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 255), st.integers(0, 255)), min_size=1))
def test_whole_numbers_round_trip(rows):
    data, options = parse([map(str, row) for row in rows])
    assert tables.parse_table(data.encode(), **options).tolist() == [list(row) for row in rows]


ODD = ["", " 7", "7 ", '"8"', "007", "0255", "1.0", "nan", "x", "1;2", "\u0663", "\r", '"', '"1\n2"', "-0"]
CELL = st.integers(-1, 260).map(str) | st.sampled_from(ODD)


@settings(deadline=None)  # a busy machine may take long over any example
@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=4))
def test_odd_table_is_read_as_the_csv_module_reads_it_or_refused(rows):
    data, options = parse(rows)
    try:
        parsed = tables.parse_table(data.encode(), **options).tolist()
    except ValueError:
        return
    assert parsed == [[int(cell) for cell in row] for row in csv.reader(io.StringIO(data, newline=""))]
    assert all(len(row) == 3 and max(row) <= 255 and row[0] <= 9 for row in parsed)


def test_no_loop_over_cells_parses_a_large_table():
    """A tenth of Kaggle's: what Python itself does for the columns of each block is far less than a step a cell."""
    block = text(ROWS[1:]).encode() * 1_400
    parse = functools.partial(tables.parse_table, block, name="t", columns=("label", *PIXELS))
    taken, table = steps(parse)
    assert taken < table.size / 4
    assert table.shape == (4_200, 785)
    assert np.array_equal(table[-3:, 1:], IMAGES)
